"""`hilum backfill`: a home's rows in Parquet into BigQuery, before its warehouse moves there."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import nullcontext

import click

from hilum.cli.main import Options
from hilum.cli.output import counted, json_option, print_json, tallied
from hilum.cli.progress import bars


@click.command()
@click.argument("address", metavar="ADDRESS")
@json_option
@click.pass_obj
def backfill(options: Options, address: str, as_json: bool) -> None:
    """Load the rows that the home has in Parquet into the dataset at ADDRESS, by load jobs, which cost nothing.

    ADDRESS is bigquery://PROJECT/DATASET, as the setting `warehouse` has it. Rows that are there already are shown
    once, so a load that was stopped is simply begun again. Stop the engine before, and set `warehouse` after.
    """
    loaded: Counter[str] = Counter()
    with options.open() as home, bars() if sys.stderr.isatty() else nullcontext() as bar:
        task = bar.add_task("loading", total=None, now="") if bar else None

        def begun(rows: int) -> None:
            if bar and task is not None:
                bar.update(task, total=rows)

        for table, rows in home.backfill(address, begun):
            loaded[table] += rows
            if bar and task is not None:
                bar.update(task, advance=rows, now=table)
    if as_json:
        print_json({"home": str(home.root), "warehouse": address, "rows": dict(loaded)})
    else:
        what = f": {tallied(loaded)}" if loaded else ""
        click.echo(f"{counted(loaded.total(), 'row')} loaded{what}")
