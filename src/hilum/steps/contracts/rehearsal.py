"""A step's program run in a plain process, as its container would run it: for authors who want to see what it gives
before there is an image. It is no sandbox, and the program is the author's own.

A container's paths mean nothing here, so wherever one stands in its environment or arguments, the folder that would
be mounted there stands instead.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hilum.errors import StepError
from hilum.steps.contracts.interface import Invocation

BEHIND = r"(?![\w.-])"
BEFORE = r"(?<![\w./-])"


def here(text: str, invocation: Invocation, attempt: Path) -> str:
    """A text of the invocation with folders of ``attempt`` in place of the container's."""
    targets = {mount.target.rstrip("/"): attempt / mount.folder / mount.below for mount in invocation.mounts}
    longest = sorted(targets, key=len, reverse=True)
    pattern = f"{BEFORE}({'|'.join(map(re.escape, longest))}){BEHIND}"
    return re.sub(pattern, lambda found: str(targets[found[1]]), text)


@contextmanager
def running(
    invocation: Invocation, attempt: Path, entry_point: Sequence[str] = (), folder: Path | None = None
) -> Iterator[subprocess.Popen[str]]:
    """The program as a process, its standard output and errors as one stream of text; killed if it is left early.

    Args:
        attempt: with the folders ``in``, ``out`` and ``scratch``.
        entry_point: what the image would run where the invocation names no command.
        folder: where it starts.

    Raises:
        StepError: ``no-command``: neither names a command.
    """
    command = invocation.command if invocation.command is not None else tuple(entry_point)
    if not command:
        raise StepError("there is nothing to run", reason="no-command", hint="name a command")
    environment = {name: here(value, invocation, attempt) for name, value in invocation.env.items()}
    process = subprocess.Popen(
        [here(word, invocation, attempt) for word in (*command, *(invocation.args or ()))],
        cwd=folder,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    with process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise
