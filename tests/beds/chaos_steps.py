"""Quick steps for runs that are interrupted: every way in which a task can end, with results that never differ."""

from __future__ import annotations

import hashlib
import random
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
    """Fails every other time in a way that passes."""
    if random.SystemRandom().random() < 0.5:
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
