"""`hilum sweep`: events get lost, so compare what a bucket has with what the ledger knows."""

from __future__ import annotations

import click

from hilum.cli.main import Options
from hilum.cli.output import counted, json_option, print_json, tallied
from hilum.cli.run import quiet, stop_on_signals, workers_option
from hilum.errors import UsageError
from hilum.kernel.address import is_in_bucket

SEEN = ("unchanged", "stale")
"""Objects of which the ledger knows this version, or a newer one."""


@click.command()
@click.argument("address")
@click.option(
    "--grace", type=click.FloatRange(min=0), help="Seconds that an object waits for its event (600)."
)
@workers_option
@json_option
@click.pass_obj
def sweep(options: Options, address: str, grace: float | None, workers: int | None, as_json: bool) -> None:
    """Take in what is at ADDRESS (gs://bucket/prefix) and no event told of; a serving engine processes it.

    It lists in pages and reads only what the ledger does not know. Stopped at any time, the next one goes on.
    Exit code 0: all was looked at; 130: it was stopped.
    """
    from hilum.cli.progress import ProgressBars

    if not is_in_bucket(address):
        raise UsageError(f"{address} is no address of a bucket", hint="write gs://bucket/prefix")
    options.settings |= {"workers": workers}
    stop = stop_on_signals()
    with options.open(create=True, log_level=quiet()) as home:
        with ProgressBars() as bars:
            report = home.sweep(address, grace=grace, observer=bars, stop=stop)
    found = {name: number for name, number in report.counts.items() if name not in SEEN}
    listed, stopped = sum(report.counts.values()), stop()
    if as_json:
        known = listed - sum(found.values())
        print_json({"objects": listed, "known": known, "found": found, "interrupted": stopped})
    else:
        click.echo(
            f"{counted(listed, 'object')}: " + (f"found {tallied(found)}" if found else "nothing was lost")
        )
    raise click.exceptions.Exit(130 if stopped else 0)
