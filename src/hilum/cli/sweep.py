"""`hilum sweep`: events get lost, so now and then somebody compares what is there with what is known."""

from __future__ import annotations

from collections.abc import Sequence

import click

from hilum.cli.main import Options
from hilum.cli.output import counted, json_option, print_json, tallied
from hilum.cli.run import quiet, stop_on_signals, workers_option
from hilum.engine.intake import UNCHANGED


@click.command()
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
@workers_option
@json_option
@click.pass_obj
def sweep(options: Options, addresses: Sequence[str], workers: int | None, as_json: bool) -> None:
    """Take in what lies in buckets and no event has told of.

    ADDRESS is gs://BUCKET, gs://BUCKET/PREFIX or a pattern in quotes. It is listed in pages and compared with the
    ledger; what is known is not read. The engine that serves goes on with what was found.
    Exit code 0: nothing that was found was refused; 1: something was; 2: wrong use.
    """
    from hilum.cli.progress import ProgressBars

    options.settings["workers"] = workers
    with options.open(create=True, log_level=quiet()) as home, ProgressBars() as bars:
        report = home.sweep(*addresses, observer=bars, stop=stop_on_signals())
    known = report.counts.get(UNCHANGED, 0)
    found = {name: number for name, number in report.counts.items() if number and name != UNCHANGED}
    news = sum(found.values())
    if as_json:
        print_json({"home": str(home.root), "listed": known + news, "known": known, "found": found})
    else:
        what = f": {tallied(found)}" if found else ""
        click.echo(f"{counted(known + news, 'object')}: {known:,} known, {news:,} were not{what}")
    raise click.exceptions.Exit(int(bool(found.get("quarantined"))))
