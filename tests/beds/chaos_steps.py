"""Quick steps for runs that are disturbed, with results that never differ; and steps that disturb."""

from __future__ import annotations

import ctypes
import hashlib
import os
import random
import signal
import subprocess
import sys
import time

from hilum.errors import StepError, TransientError
from hilum.steps.api import Code, Measure, Output, Parameters, step
from hilum.steps.context import Context

COUNT = Code("118586006", "SCT", "Count")


class Size(Parameters):
    """How many bytes to write."""

    size: int = 1 << 18


@step("inventory", outputs=[Output("list", "list.txt", "text/plain")], measurements=[Measure("files", COUNT)])
def inventory(ctx: Context) -> None:
    """Lists what its instances' files hash to."""
    found = sorted(hashlib.sha256(item.path.read_bytes()).hexdigest() for item in ctx.instances)
    ctx.output("list").write_text("\n".join(found))
    ctx.measure("files", len(found))


@step("flaky", outputs=[Output("copy", "copy.txt", "text/plain")])
def flaky(ctx: Context) -> None:
    """Fails one time in four in a way that passes: seldom enough that none of a thousand homes waits for minutes."""
    if random.SystemRandom().random() < 0.25:
        raise TransientError("not this time", reason="not-this-time")
    ctx.output("copy").write_bytes(ctx.needs["inventory"].file("list").read_bytes())


@step("refuse")
def refuse(ctx: Context) -> None:
    """Says that its input cannot be processed."""
    raise StepError("the slices overlap", reason="overlapping-slices")


@step("bulky", outputs=[Output("parts", "parts/*.bin", many=True)], light=False)
def bulky(ctx: Context, parameters: Size) -> None:
    """Writes several larger files, in an attempt of its own, over some time."""
    (ctx.output_folder / "parts").mkdir()
    for number in range(3):
        (ctx.output_folder / "parts" / f"{number}.bin").write_bytes(bytes([number]) * parameters.size)
        (ctx.scratch / f"{number}.tmp").write_bytes(b"x" * 1000)
        ctx.progress(number / 3, "writing")
        time.sleep(0.02)


@step("combine", outputs=[Output("sums", "sums.txt", "text/plain")])
def combine(ctx: Context) -> None:
    """Hashes what two other steps gave."""
    files = [*ctx.needs["flaky"].files["copy"], *ctx.needs["bulky"].files["parts"]]
    ctx.output("sums").write_text("\n".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in files))


@step("hang", outputs=[Output("list", "list.txt", "text/plain")])
def hang(ctx: Context) -> None:
    """Deaf to everything."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while True:
        time.sleep(3600)


@step("hog")
def hog(ctx: Context) -> None:
    """Takes all the memory it can get, and uses it."""
    held = []
    while True:
        held.append(b"x" * (16 << 20))


@step("segfault")
def segfault(ctx: Context) -> None:
    """Reads where nothing is."""
    ctypes.string_at(0)


@step("silent", outputs=[Output("report", "report.txt", "text/plain")])
def silent(ctx: Context) -> None:
    """Writes no declared output."""


@step("trespass")
def trespass(ctx: Context) -> None:
    """Writes beside the files it was given."""
    ctx.instances[0].path.with_name("trespass.txt").write_text("x")


@step("desert")
def desert(ctx: Context) -> None:
    """Ends its process as if all were well."""
    os._exit(0)


@step("patricide")
def patricide(ctx: Context) -> None:
    """Kills the process that watches over it."""
    os.kill(os.getppid(), signal.SIGKILL)


@step("spam", outputs=[Output("list", "list.txt", "text/plain")])
def spam(ctx: Context) -> None:
    """Prints 50 MB, and works."""
    for _ in range(50):
        os.write(1, b"lorem ipsum\n" * 87_382)
    ctx.output("list").write_text("x")


@step("spam-and-fail")
def spam_and_fail(ctx: Context) -> None:
    """Prints 50 MB, and then that it cannot do it."""
    for _ in range(50):
        os.write(1, b"lorem ipsum\n" * 87_382)
    raise StepError("nothing to be done", reason="hopeless")


@step("litter", outputs=[Output("list", "list.txt", "text/plain")])
def litter(ctx: Context) -> None:
    """Works, and leaves daemons and files behind."""
    daemon = "import os, time\nif os.fork() == 0:\n os.setsid()\n time.sleep(3600)"
    for _ in range(3):
        subprocess.run([sys.executable, "-S", "-c", daemon], check=True)
    subprocess.Popen(["sleep", "3600"])
    for number in range(1000):
        (ctx.scratch / f"{number}.tmp").write_bytes(b"x" * 1000)
    ctx.output("list").write_text("x")


@step("fat", outputs=[Output("bytes", "fat.bin")])
def fat(ctx: Context, parameters: Size) -> None:
    """Writes one file of bytes that look like chance, always the same."""
    ctx.output("bytes").write_bytes(random.Random(parameters.size).randbytes(parameters.size))


@step("flood", outputs=[Output("bytes", "flood.bin")])
def flood(ctx: Context, parameters: Size) -> None:
    """Fills its scratch with so many bytes, or as far as the disk goes, and stays so for a while."""
    try:
        with (ctx.scratch / "flood.tmp").open("wb") as stream:
            for _ in range(parameters.size >> 16):
                stream.write(bytes(1 << 16))
                stream.flush()
    finally:
        time.sleep(0.5)
    ctx.output("bytes").write_bytes(b"done")
