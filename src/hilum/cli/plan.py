"""`hilum plan` and `hilum retry`: what would run and why, and another chance for what failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from hilum.cli.main import Options
from hilum.cli.output import counted, faint, json_option, print_json, print_table, tallied
from hilum.cli.run import pipeline_option, quiet, show_failures, slots_option, stop_on_signals
from hilum.errors import UsageError


@click.command()
@pipeline_option
@json_option
@click.pass_obj
def plan(options: Options, pipelines: Sequence[Path], as_json: bool) -> None:
    """What would run on what is settled, and why; changes nothing.

    Reasons: new, stale-code, stale-parameters, stale-needs, stale-condition, stale-inputs, late-instances, failed.
    """
    with options.open() as home:
        due = home.plan(pipelines)
    if as_json:
        print_json([each.as_json() for each in due])
        return
    if not due:
        click.echo("nothing to do: all results are up to date")
        return
    rows = [
        {
            "pipeline": each.pipeline.name,
            "subject": each.subject.id,
            "scope": each.subject.scope.value,
            "instances": each.subject.instances,
            "why": ", ".join(each.reasons),
            "steps": "; ".join(f"{name}: {', '.join(why)}" for name, why in each.steps.items()),
        }
        for each in due
    ]
    print_table(rows)
    total = Counter(reason for each in due for reason in each.reasons)
    click.echo(f"{counted(len(due), 'run')}: {tallied(total)}")
    if total["failed"]:
        click.echo(faint("failed runs wait for `hilum retry`"))


@click.command()
@click.argument("runs", nargs=-1)
@pipeline_option
@click.option("--no-wait", is_flag=True, help="Only mark them; a serving engine picks them up.")
@slots_option
@json_option
@click.pass_obj
def retry(
    options: Options,
    runs: Sequence[str],
    pipelines: Sequence[Path],
    no_wait: bool,
    slots: int | None,
    as_json: bool,
) -> None:
    """Bring failed RUNS back (all of them by default) and run them.

    Runs of the given pipelines take over the timeout, resources and retry that their files give now.
    """
    from hilum.cli.progress import ProgressBars

    options.settings["slots"] = slots
    with options.open(log_level=quiet()) as home:
        if unknown := set(runs) - {run.id for run in home.ledger.runs(ids=runs)}:
            raise UsageError(f"there is no run {min(unknown)}", hint="`hilum status` lists failures")
        again = home.retry(runs or None, pipelines)
        if again and not no_wait:
            with ProgressBars() as bars:
                home.work(observer=bars, stop=stop_on_signals(), pipelines=pipelines)
        elif again:
            home.record()
        after = home.ledger.runs(ids=again) if again else []
        dead = [task for task in home.ledger.tasks(again) if task.state.value == "dead"] if again else []
    states = Counter(run.state.value for run in after)
    if as_json:
        print_json({"retried": again, "states": dict(states)})
    elif not again:
        click.echo("nothing to retry: no current run has failed")
    else:
        click.echo(f"{counted(len(again), 'run')} brought back: {tallied(states)}")
        show_failures(dead)
    raise click.exceptions.Exit(1 if states.get("failed") else 0)
