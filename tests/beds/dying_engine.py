"""An engine that is going to be killed: it submits attempts, says what it hears of them, and cares for nothing.

    python -m beds.dying_engine <module:Executor> < {"settings": {...}, "specs": [...]}

It prints a line for each attempt that is at work, and for each report.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from threading import Timer
from typing import Any

from hilum.executors.interface import Executor, Progress
from hilum.model.codec import from_json, to_json
from hilum.model.work import AttemptSpec

PATIENCE = 120.0
TESTS = Path(__file__).parents[1]


def open_executor(kind: str, settings: Mapping[str, Any]) -> Executor:
    """An executor of this class; ``work`` among its settings becomes a path."""
    module, _, name = kind.partition(":")
    given = {**settings, **({"work": Path(settings["work"])} if "work" in settings else {})}
    executor: Executor = getattr(import_module(module), name)(**given)
    return executor


class DyingEngine:
    """Such an engine in a process of its own.

    Args:
        kind, settings: of its executor, as :func:`open_executor` takes them.
        user: id of whom it runs as; None: as this process does.
    """

    def __init__(
        self,
        kind: str,
        settings: Mapping[str, Any],
        specs: Sequence[AttemptSpec],
        user: int | None = None,
    ) -> None:
        command = [*([] if user is None else as_user(user)), sys.executable, "-m", "beds.dying_engine", kind]
        self._process = subprocess.Popen(
            command, cwd=TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdin is not None
        json.dump({"settings": settings, "specs": [to_json(spec) for spec in specs]}, self._process.stdin)
        self._process.stdin.close()

    def hear(self, count: int, message: str = "") -> list[str]:
        """Wait until so many different lines came that have ``message`` in them."""
        assert self._process.stdout is not None
        patience = Timer(PATIENCE, self._process.kill)
        patience.start()
        heard: list[str] = []
        try:
            while len(heard) < count:
                line = self._process.stdout.readline()
                assert line, "the engine ended, or said too little for too long"
                if message in line and line.strip() not in heard:
                    heard.append(line.strip())
        finally:
            patience.cancel()
        return heard

    def kill(self) -> None:
        """Kill -9."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def as_user(user: int) -> list[str]:
    """What runs a command as somebody who is not root. It may read everything, because the interpreter may lie in a
    folder of root's; it may write only what is its own."""
    reads = "-all,+dac_read_search"
    identity = ["--reuid", str(user), "--regid", str(user), "--clear-groups"]
    return ["setpriv", *identity, "--inh-caps", reads, "--ambient-caps", reads]


def main() -> None:
    """The engine."""
    asked = json.load(sys.stdin)
    executor = open_executor(sys.argv[1], asked["settings"])
    for spec in asked["specs"]:
        executor.submit(from_json(AttemptSpec, spec))
    while True:
        for event in executor.watch(60.0):
            said = event.message if isinstance(event, Progress) else event.outcome.value
            print(event.attempt_id, said, flush=True)


if __name__ == "__main__":
    main()
