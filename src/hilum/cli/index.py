"""`hilum index`: headers to the warehouse, for people who want SQL over what they have now."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click

from hilum.cli.main import Options
from hilum.cli.output import counted, json_option, print_json, tallied
from hilum.cli.run import quiet, stop_on_signals, workers_option
from hilum.errors import UsageError


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--no-digest", is_flag=True, help="Read headers only; without SHA-256 it is several times faster.")
@click.option("--verify", is_flag=True, help="Read every file again, also those that seem unchanged.")
@workers_option
@json_option
@click.pass_obj
def index(
    options: Options,
    paths: Sequence[Path],
    no_digest: bool,
    verify: bool,
    workers: int | None,
    as_json: bool,
) -> None:
    """Write the headers of what is at PATHS to the warehouse, and do nothing else.

    What was indexed before and is unchanged is not read again; an index that was stopped goes on where it was.
    Exit code 0: all indexed; 1: something was refused; 2: wrong use.
    """
    from hilum.cli.progress import ProgressBars

    for path in paths:
        if not os.path.lexists(path):
            raise UsageError(f"there is nothing at {path}", hint="check the path", reason="no-such-path")
    options.settings["workers"] = workers
    with options.open(create=True, log_level=quiet()) as home, ProgressBars() as bars:
        report = home.index(
            *paths, digest=not no_digest, verify=verify, observer=bars, stop=stop_on_signals()
        )
    refused = set(report.counts) - {"indexed", "unchanged", "not-dicom", "dicomdir"}
    if as_json:
        print_json({"home": str(home.root), "objects": dict(report.counts), "interrupted": report.interrupted})
    else:
        total = sum(report.counts.values())
        click.echo(f"{counted(total, 'object')}" + (f": {tallied(report.counts)}" if total else ""))
        if report.interrupted:
            click.echo("stopped early; the next index goes on from here")
    raise click.exceptions.Exit(130 if report.interrupted else int(bool(refused)))
