"""`hilum sweep`: events get lost, so now and then somebody compares what is there with what is known."""

from __future__ import annotations

from collections.abc import Sequence

import click

from hilum.cli.complain import INTERRUPTED
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

    ADDRESS is gs://BUCKET, gs://BUCKET/PREFIX, gs://BUCKET/OBJECT or a pattern in quotes. It is listed in pages and
    compared with the ledger; what is known is not read. The engine that serves goes on with what was found.
    Exit code 0: nothing that was found was refused; 1: something was; 2: wrong use; 130: stopped by Ctrl-C.
    """
    from hilum.app.addresses import check_swept
    from hilum.cli.progress import ProgressBars
    from hilum.sources.inputs import named

    check_swept(addresses)
    wanted = named(addresses)
    options.settings["workers"] = workers
    stop = stop_on_signals()
    with options.open(create=True, log_level=quiet()) as home, ProgressBars() as bars:
        report = home.sweep(*wanted, observer=bars, stop=stop)
    interrupted = stop()
    known = report.counts.get(UNCHANGED, 0)
    found = {name: number for name, number in report.counts.items() if number and name != UNCHANGED}
    news = sum(found.values())
    if as_json:
        told = {"home": str(home.root), "listed": known + news, "known": known, "found": found}
        print_json(told | {"interrupted": interrupted})
    else:
        early = "stopped early, the next sweep lists anew; so far " if interrupted else ""
        what = f": {tallied(found)}" if found else ""
        click.echo(f"{early}{counted(known + news, 'object')}: {known:,} known, {news:,} were not{what}")
    raise click.exceptions.Exit(INTERRUPTED if interrupted else int(bool(found.get("quarantined"))))
