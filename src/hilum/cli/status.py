"""`hilum status`: how a home is doing. Imports little, because people type it all day."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hilum.cli.main import Options
from hilum.cli.output import counted, json_option, print_json, print_table, tallied

if TYPE_CHECKING:
    from hilum.ledger.interface import Summary


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
    else:
        _show(summary)


def _show(summary: Summary) -> None:
    total = sum(summary.arrivals.values())
    _line("arrivals", f"{total:,}" + (f": {tallied(summary.arrivals)}" if total else ""))
    subjects = ", ".join(counted(number, scope) for scope, number in sorted(summary.subjects.items()))
    _line("subjects", (subjects or "none") + _waiting(summary))
    if summary.late:
        _line("late", f"{counted(summary.late, 'subject')} got instances after settling")
    if summary.superseded:
        _line(
            "superseded",
            f"{counted(summary.superseded, 'run')} by newer ones of the same pipeline and subject",
        )
    if summary.outbox:
        _line(
            "warehouse", f"{counted(summary.outbox, 'row')} behind; an engine at work brings what is missing"
        )
    states = sorted({state for counts in summary.runs.values() for state in counts})
    if summary.runs:
        rows = [
            {"pipeline": name, **{state: counts.get(state, 0) for state in states}}
            for name, counts in sorted(summary.runs.items())
        ]
        print_table(rows, title="runs")
    if summary.failures:
        failed = [
            {"run": task.run_id, "step": task.step, "reason": task.reason, "detail": task.detail}
            for task in summary.failures
        ]
        print_table(failed, title="failures: `hilum retry` brings them back")
    if summary.quarantine:
        refused = [
            {"reason": reason, "objects": number} for reason, number in sorted(summary.quarantine.items())
        ]
        print_table(refused, title="quarantine: `hilum quarantine list` shows them")


def _line(name: str, said: str) -> None:
    click.echo(f"{name:<10}  {said}")


def _waiting(summary: Summary) -> str:
    if not summary.open_subjects:
        return ""
    since = f", since {summary.oldest_open.astimezone():%Y-%m-%d %H:%M:%S}" if summary.oldest_open else ""
    return f"; {summary.open_subjects:,} waiting to settle{since}"
