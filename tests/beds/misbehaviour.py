"""Steps for the tests of executors: a few that work, and one for each way of going wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import hilum.steps.api as api
from hilum.errors import StepError, TransientError
from hilum.steps.api import Code, Measure, Output, Parameters
from hilum.steps.context import Context

COUNT = Code("118586006", "SCT", "Count")
MARKER = "DOE^JANE"


class Where(Parameters):
    """A path that a step is told of."""

    path: str = ""


class Amount(Parameters):
    """How much."""

    amount: int = 0


@api.step("noop")
def noop(ctx: Context) -> None:
    """Does nothing."""


@api.step(
    "sizes", outputs=[Output("list", "sizes.txt", "text/plain")], measurements=[Measure("files", COUNT)]
)
def sizes(ctx: Context) -> None:
    """Lists its instances' sizes."""
    found = [instance.path.stat().st_size for instance in ctx.instances]
    ctx.output("list").write_text("\n".join(map(str, found)))
    ctx.measure("files", len(found))


@api.step("copy", outputs=[Output("copies", "copies/*.txt", "text/plain", many=True)])
def copy(ctx: Context) -> None:
    """Copies what the needed step ``sizes`` wrote, and leaves something undeclared besides."""
    (ctx.output_folder / "copies").mkdir()
    needed = ctx.needs["sizes"]
    for name in ("a", "b"):
        (ctx.output_folder / "copies" / f"{name}.txt").write_text(
            f"{needed.file('list').read_text()} of {needed.measurements['files']}"
        )
    (ctx.output_folder / "undeclared.txt").write_text("x")
    (ctx.scratch / "thrown-away.txt").write_text("x")
    Path("relative.txt").write_text("x")


@api.step("random", outputs=[Output("bytes", "random.bin")])
def random(ctx: Context) -> None:
    """Gives something else each time it is computed."""
    ctx.output("bytes").write_bytes(os.urandom(16))


@api.step("big", outputs=[Output("bytes", "big.bin")])
def big(ctx: Context, parameters: Amount) -> None:
    """Writes so many bytes."""
    ctx.output("bytes").write_bytes(bytes(parameters.amount))


@api.step("slow")
def slow(ctx: Context) -> None:
    """Says how far it is, a thousand times, for a second or more."""
    for number in range(1000):
        ctx.progress(number / 1000, "on its way")
        time.sleep(0.001)


@api.step("sleep")
def sleep(ctx: Context) -> None:
    """Takes longer than any test."""
    time.sleep(600)


@api.step("refuse")
def refuse(ctx: Context) -> None:
    """Says that its input cannot be processed."""
    raise StepError("the slices overlap", reason="overlapping-slices")


@api.step("offline")
def offline(ctx: Context) -> None:
    """Fails in a way that may pass."""
    raise TransientError("the licence server does not answer", reason="no-licence")


@api.step("bug")
def bug(ctx: Context) -> None:
    """Raises something with patient data in it."""
    sys.stdout.write(MARKER)
    raise ValueError(f"cannot make sense of {MARKER}")


@api.step("silent", outputs=[Output("report", "report.txt")])
def silent(ctx: Context) -> None:
    """Writes no declared output."""


@api.step("linked", outputs=[Output("report", "report.txt")])
def linked(ctx: Context) -> None:
    """Gives a link to a file that is not its own."""
    ctx.output("report").symlink_to("/etc/passwd")


@api.step("segfault")
def segfault(ctx: Context) -> None:
    """Dies as a broken codec does."""
    os.kill(os.getpid(), signal.SIGSEGV)


@api.step("exit")
def leave(ctx: Context) -> None:
    """Ends its process behind Python's back."""
    os._exit(3)


@api.step("sysexit")
def sysexit(ctx: Context) -> None:
    """Ends its process as a script would."""
    sys.exit(0)


@api.step("hog")
def hog(ctx: Context, parameters: Amount) -> None:
    """Asks for so many bytes."""
    bytearray(parameters.amount)


@api.step("hog-children")
def hog_children(ctx: Context, parameters: Amount) -> None:
    """Two programs that it starts hold so many bytes each, and wait."""
    code = f"import time; held = bytearray({parameters.amount}); time.sleep(600)"
    for child in [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]:
        child.wait()


@api.step("stubborn")
def stubborn(ctx: Context, parameters: Where) -> None:
    """Blocks every signal that can be blocked, and leaves a daemon behind that has the path as its argument."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    daemon = "import os, time\nif os.fork() == 0:\n os.setsid()\n time.sleep(600)"
    subprocess.run([sys.executable, "-c", daemon, parameters.path], check=True)
    ctx.progress(0.5, "daemon at work")
    time.sleep(600)


@api.step("write-outside")
def write_outside(ctx: Context, parameters: Where) -> None:
    """Writes where it may not."""
    Path(parameters.path).write_text("x")


@api.step("remove-outside")
def remove_outside(ctx: Context, parameters: Where) -> None:
    """Removes what is not its own."""
    Path(parameters.path).unlink()


@api.step("kill-outside")
def kill_outside(ctx: Context, parameters: Amount) -> None:
    """Kills a process that is not its own."""
    os.kill(parameters.amount, signal.SIGKILL)
