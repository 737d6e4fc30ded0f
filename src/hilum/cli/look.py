"""`hilum status`: how a home is doing."""

from __future__ import annotations

from typing import Any

import click

from hilum.cli.main import Options
from hilum.cli.output import counted, json_option, print_json, print_table


@click.command()
@json_option
@click.pass_obj
def status(options: Options, as_json: bool) -> None:
    """How the home is doing: arrivals, runs, failures, what waits."""
    with options.open() as home:
        summary = home.status()
    if as_json:
        from hilum.model.codec import to_json

        print_json({"home": str(home.root), **to_json(summary)})
        return
    total = sum(summary.arrivals.values())
    parts = ", ".join(f"{number:,} {name}" for name, number in sorted(summary.arrivals.items()))
    click.echo(f"arrivals    {total:,}" + (f": {parts}" if parts else ""))
    subjects = ", ".join(counted(number, scope) for scope, number in sorted(summary.subjects.items()))
    click.echo(f"subjects    {subjects or 'none'}" + _open(summary))
    if summary.late or summary.superseded:
        click.echo(
            f"late        {counted(summary.late, 'subject')} got instances after settling; "
            f"{counted(summary.superseded, 'run')} superseded"
        )
    if summary.outbox:
        click.echo(f"warehouse   {counted(summary.outbox, 'row')} behind")
    states = sorted({state for counts in summary.runs.values() for state in counts})
    rows: list[dict[str, Any]] = [
        {"pipeline": name, **{state: counts.get(state, 0) for state in states}}
        for name, counts in summary.runs.items()
    ]
    if rows:
        print_table(rows, title="runs")
    if summary.failures:
        failed = [
            {"run": task.run_id, "step": task.step, "reason": task.reason, "detail": task.detail}
            for task in summary.failures
        ]
        print_table(failed, title="failures (`hilum retry` brings them back)")
    if summary.quarantine:
        refused = [
            {"reason": reason, "objects": number} for reason, number in sorted(summary.quarantine.items())
        ]
        print_table(refused, title="quarantine (`hilum quarantine list`)")


def _open(summary: Any) -> str:
    if not summary.open_subjects:
        return ""
    since = f" since {summary.oldest_open.astimezone():%H:%M:%S}" if summary.oldest_open else ""
    return f"; {summary.open_subjects:,} waiting to settle{since}"
