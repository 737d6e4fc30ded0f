"""`hilum run`: process what is there, show what came out, stop."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hilum.cli.main import Options
from hilum.cli.output import counted, faint, json_option, print_json, print_table, tallied
from hilum.errors import UsageError

if TYPE_CHECKING:
    from hilum.app.home import Home
    from hilum.engine.engine import RunReport
    from hilum.kernel.logging import Level
    from hilum.ledger.interface import TaskInfo

SHOWN = 10
STATES = ("succeeded", "skipped", "dead", "blocked", "cancelled", "waiting")

pipeline_option: Callable[[Any], Any] = click.option(
    "--pipeline",
    "pipelines",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A pipeline file; repeatable. Else those of hilum.toml, else the built-in default.",
)
slots_option: Callable[[Any], Any] = click.option(
    "--slots", type=click.IntRange(min=1), help="Attempts at once; by default one for each core."
)
workers_option: Callable[[Any], Any] = click.option(
    "--workers", type=click.IntRange(min=1), help="Processes that read files; by default one for each core."
)

inputs_argument: Callable[[Any], Any] = click.argument("paths", nargs=-1, type=click.Path(path_type=str))
manifests_option: Callable[[Any], Any] = click.option(
    "--from",
    "manifests",
    multiple=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=str),
    help="A list of inputs, a line each or a CSV column; - is standard input; repeatable.",
)


@click.command()
@inputs_argument
@manifests_option
@pipeline_option
@click.option("--verify", is_flag=True, help="Read every file again, also those that seem unchanged.")
@workers_option
@slots_option
@json_option
@click.pass_obj
def run(
    options: Options,
    paths: Sequence[str],
    manifests: Sequence[str],
    pipelines: Sequence[Path],
    verify: bool,
    workers: int | None,
    slots: int | None,
    as_json: bool,
) -> None:
    """Process what is at PATHS, and stop when all of it is done.

    PATHS are files, folders, archives (zip, tar, tar.gz, tar.zst, gz), patterns in quotes, file:// addresses.
    Exit code 0: all done; 1: something failed or was quarantined; 2: wrong use.
    """
    from hilum.cli.progress import ProgressBars

    wanted = inputs(paths, manifests)
    options.settings |= {"slots": slots, "workers": workers}
    with options.open(create=True, log_level=quiet()) as home:
        with ProgressBars() as bars:
            bars.expect(wanted)
            report = home.run(
                *wanted,
                manifests=manifests,
                pipelines=pipelines,
                verify=verify,
                observer=bars,
                stop=stop_on_signals(),
            )
        show(home, report, bars.attempts, as_json=as_json)
    failed = any(each.state.value == "failed" for each in report.runs)
    refused = bool(report.intake.get("quarantined"))
    raise click.exceptions.Exit(130 if report.interrupted else int(failed or refused))


def inputs(paths: Sequence[str], manifests: Sequence[str]) -> list[str]:
    """What ``paths`` mean; refused before a home is made where nothing is named, or it is not there."""
    from hilum.app.addresses import check_inputs
    from hilum.sources.inputs import named

    check_inputs(paths)
    if not paths and not manifests:
        raise UsageError(
            "nothing is named to look at", hint="name a folder, a file or a pattern, or a list with --from"
        )
    return named(paths)


def quiet() -> Level:
    """How much is logged by a command that shows what happens anyway: nothing, if somebody looks at it."""
    return "off" if sys.stderr.isatty() else "warning"


def stop_on_signals() -> Callable[[], bool]:
    """A question that is answered yes once SIGINT or SIGTERM came; a second one ends the process at once."""
    asked: list[int] = []

    def ask(number: int, _frame: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        if sys.stderr.isatty():
            os.write(2, b"stopping: what is at work is finished first (again to stop at once)\n")

    signal.signal(signal.SIGINT, ask)
    signal.signal(signal.SIGTERM, ask)
    return lambda: bool(asked)


def show(home: Home, report: RunReport, attempts: int, *, as_json: bool) -> None:
    """What a run did: counts, and the failures with what to do about them. ``attempts``: how many it took."""
    tasks = home.ledger.tasks(each.id for each in report.runs)
    steps = by_step(report, tasks)
    dead = [task for task in tasks if task.state.value == "dead"]
    if as_json:
        failures = [{"run": t.run_id, "step": t.step, "reason": t.reason, "detail": t.detail} for t in dead]
        print_json(
            {
                "home": str(home.root),
                "arrivals": dict(report.intake),
                "runs": len(report.runs),
                "started": len(report.started),
                "attempts": attempts,
                "steps": steps,
                "failures": failures,
                "interrupted": report.interrupted,
            }
        )
        return
    total = sum(report.intake.values())
    click.echo(f"{counted(total, 'object')}" + (f": {tallied(report.intake)}" if total else ""))
    if steps:
        states = [name for name in STATES if any(name in row for row in steps)]
        print_table([{name: row.get(name, 0) for name in ("pipeline", "step", *states)} for row in steps])
    show_failures(dead)
    if waiting := report.intake.get("quarantined"):
        click.echo(f"{counted(waiting, 'object')} in quarantine: see `hilum quarantine list`")
    click.echo(f"{_done(report, attempts)}; results in {_where(home)}")


def by_step(report: RunReport, tasks: Sequence[TaskInfo]) -> list[dict[str, Any]]:
    """A row for each pipeline and step: how many of its tasks are in which state."""
    pipelines = {each.id: each.pipeline for each in report.runs}
    counts: dict[tuple[str, str], Counter[str]] = {}
    for task in tasks:
        counts.setdefault((pipelines[task.run_id], task.step), Counter())[task.state.value] += 1
    return [{"pipeline": name, "step": step, **each} for (name, step), each in counts.items()]


def show_failures(dead: Sequence[TaskInfo]) -> None:
    """Dead tasks, a line each, and what brings them back."""
    for task in dead[:SHOWN]:
        click.echo(
            f"{click.style('failed', fg='red')}: {task.run_id} {task.step}: {task.reason}: {task.detail}"
        )
    if len(dead) > SHOWN:
        click.echo(f"... and {counted(len(dead) - SHOWN, 'more failure')}: see `hilum status`")
    if dead:
        click.echo(faint("`hilum retry` tries failed runs again"))


def shown_path(path: Path) -> str:
    """A path as short as it can be said from here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _where(home: Home) -> str:
    """The tree of results, or the address of a store that has none."""
    return f"{home.storage.uri}: see `hilum export`" if home.links is None else shown_path(home.links)


def _done(report: RunReport, attempts: int) -> str:
    failed = sum(each.state.value == "failed" for each in report.runs)
    runs = counted(len(report.runs), "run") + (f", {failed:,} failed" if failed else "")
    if report.interrupted:
        return f"stopped early, {runs} so far; the next run goes on from here"
    if not report.runs:
        return "nothing that a pipeline takes"
    if not attempts:
        return f"{runs}; {'' if failed else 'up to date, '}nothing had to be computed"
    new = len(report.started)
    return f"{runs}" + (f"; {new:,} of them new" if 0 < new < len(report.runs) else "")
