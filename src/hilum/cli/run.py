"""`hilum run`: process what is there, show what came out, stop."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hilum.cli.main import Options
from hilum.cli.output import counted, json_option, print_json, print_table

if TYPE_CHECKING:
    from hilum.app import Home
    from hilum.engine.engine import RunReport

pipeline_option: Callable[[Any], Any] = click.option(
    "--pipeline",
    "pipelines",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A pipeline file; may be given more than once. Else those of hilum.toml, else the built-in default.",
)


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@pipeline_option
@click.option("--verify", is_flag=True, help="Read every file again, also those that seem unchanged.")
@click.option("--slots", type=int, help="Attempts at once; by default one for each core.")
@json_option
@click.pass_obj
def run(
    options: Options,
    paths: Sequence[Path],
    pipelines: Sequence[Path],
    verify: bool,
    slots: int | None,
    as_json: bool,
) -> None:
    """Process what is at PATHS (files or folders), and stop when all of it is done.

    Exit code 0: all done; 1: something failed or was quarantined; 2: wrong use.
    """
    from hilum.cli.progress import ProgressBars

    options.settings["slots"] = slots
    with options.open(create=True) as home, ProgressBars() as bars:
        report = home.run(*paths, pipelines=pipelines, verify=verify, observer=bars, stop=stop_on_signals())
        bars.__exit__(None, None, None)
        show(home, report, as_json)
        failed = any(each.state.value == "failed" for each in report.runs)
    raise click.exceptions.Exit(
        130 if report.interrupted else int(failed or bool(report.intake.get("quarantined")))
    )


def stop_on_signals() -> Callable[[], bool]:
    """A question that is answered yes once SIGINT or SIGTERM came; a second one ends the process at once."""
    asked: list[int] = []

    def ask(number: int, _frame: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        click.echo("stopping: what is at work is finished first (again to stop at once)", err=True)

    signal.signal(signal.SIGINT, ask)
    signal.signal(signal.SIGTERM, ask)
    return lambda: bool(asked)


def show(home: Home, report: RunReport, as_json: bool) -> None:
    """What a run did: counts, and the failures with what to do about them."""
    from hilum.model.work import TaskState

    runs = home.ledger.tasks(each.id for each in report.runs)
    by_step: dict[tuple[str, str], dict[str, int]] = {}
    pipelines = {each.id: each.pipeline for each in report.runs}
    for task in runs:
        counts = by_step.setdefault((pipelines[task.run_id], task.step), {})
        counts[task.state.value] = counts.get(task.state.value, 0) + 1
    dead = [task for task in runs if task.state is TaskState.DEAD]
    if as_json:
        steps = [{"pipeline": name, "step": step, **counts} for (name, step), counts in by_step.items()]
        failures = [{"run": t.run_id, "step": t.step, "reason": t.reason, "detail": t.detail} for t in dead]
        print_json(
            {
                "home": str(home.root),
                "arrivals": dict(report.intake),
                "runs": len(report.runs),
                "started": len(report.started),
                "steps": steps,
                "failures": failures,
                "interrupted": report.interrupted,
            }
        )
        return
    taken = ", ".join(f"{number:,} {name}" for name, number in report.intake.items())
    click.echo(f"objects: {taken or 'none'}")
    states = [state.value for state in TaskState if any(state.value in counts for counts in by_step.values())]
    rows = [
        {"pipeline": name, "step": step, **{state: counts.get(state, 0) for state in states}}
        for (name, step), counts in by_step.items()
    ]
    if rows:
        print_table(rows)
    for task in dead[:10]:
        click.echo(f"failed: {task.run_id} {task.step}: {task.reason}: {task.detail}")
    if len(dead) > 10:
        click.echo(f"... and {counted(len(dead) - 10, 'more failure')}: see `hilum status`")
    if waiting := report.intake.get("quarantined"):
        click.echo(f"{counted(waiting, 'object')} in quarantine: see `hilum quarantine list`")
    done = counted(len(report.runs), "run")
    click.echo(f"{done}, {counted(len(report.started), 'new run')}; results in {_shown(home.results)}")


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
