"""The command line as people and scripts use it: a process of its own, its exit code, and what it said."""

from __future__ import annotations

import io
import json
import logging
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import threading
import warnings
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from fcntl import ioctl
from pathlib import Path
from typing import Any

from hilum.cli.main import main
from hilum.kernel.logging import configure

HILUM = Path(sys.executable).with_name("hilum")
PATIENCE = 120.0


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Standard output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


def hilum(
    *arguments: str | Path,
    home: Path | None = None,
    code: int | None = 0,
    cwd: Path | None = None,
    stdin: str = "",
    before: tuple[str, ...] = (),
    **environment: str,
) -> Said:
    """Run `hilum`, and check its exit code (None: whatever it is).

    Args:
        before: words of a command that starts it, such as ``setpriv``.
    """
    command = [
        *before,
        str(HILUM),
        *([] if home is None else ["--home", str(home)]),
        *map(os.fspath, arguments),
    ]
    done = subprocess.run(
        command,
        cwd=cwd,
        env=clean_environment() | environment,
        input=stdin.encode(),
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    said = Said(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
    if code is not None:
        assert said.code == code, f"ended with {said.code}, not {code}:\n{said.out}\n{said.err}"
    return said


def here(
    *arguments: str | Path, home: Path | None = None, code: int | None = 0, cwd: Path | None = None
) -> Said:
    """As :func:`hilum`, in this process: for commands that only look at something, a second less each."""
    words = [*([] if home is None else ["--home", str(home)]), *map(os.fspath, arguments)]
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with _restored(), chdir(cwd or Path.cwd()), redirect_stdout(out), redirect_stderr(err):
        try:
            main(words)
        except SystemExit as ended:
            ended_with = ended.code
    texts = [stream.buffer.getvalue().decode() for stream in (out, err)]
    said = Said(int(ended_with or 0), *texts)
    if code is not None:
        assert said.code == code, f"ended with {said.code}, not {code}:\n{said.out}\n{said.err}"
    return said


@contextmanager
def _restored() -> Iterator[None]:
    """Put back what the command line takes over of its process."""
    root = logging.getLogger()
    handlers, level, shown = root.handlers[:], root.level, warnings.showwarning
    hooks = sys.excepthook, sys.unraisablehook, threading.excepthook
    try:
        yield
    finally:
        configure(level="off")
        root.handlers[:] = handlers
        root.setLevel(level)
        warnings.showwarning = shown
        sys.excepthook, sys.unraisablehook, threading.excepthook = hooks


def in_terminal(*arguments: str | Path, columns: int = 100, cwd: Path | None = None) -> Said:
    """Run `hilum` in a terminal so many cells wide; what it shows on both streams is in ``out``."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(
        [HILUM, *map(os.fspath, arguments)],
        cwd=cwd,
        env=clean_environment() | {"TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    said = b""
    while True:
        readable, _, _ = select.select([ours], [], [], PATIENCE)
        assert readable, f"nothing more came: {said!r}"
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other end was closed
            break
        if not piece:
            break
        said += piece
    os.close(ours)
    return Said(process.wait(PATIENCE), said.decode(errors="replace").replace("\r\n", "\n"), "")


def clean_environment() -> dict[str, str]:
    """This process's, without settings of Hilum."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HILUM_", "COLUMNS", "NO_COLOR"))
    }
