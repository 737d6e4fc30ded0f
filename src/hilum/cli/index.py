"""`hilum index`: headers to the warehouse, for people who want SQL over what they have now."""

from __future__ import annotations

from collections.abc import Sequence

import click

from hilum.cli.main import Options
from hilum.cli.output import counted, json_option, print_json, tallied
from hilum.cli.run import (
    inputs,
    inputs_argument,
    manifests_option,
    quiet,
    stop_on_signals,
    workers_option,
)

FINE = {"indexed", "unchanged", "not-dicom", "dicomdir", "archive"}
"""What an object may be without anything being wrong."""


@click.command()
@inputs_argument
@manifests_option
@click.option(
    "--no-digest", is_flag=True, help="Read headers only; without SHA-256 it is several times faster."
)
@click.option("--verify", is_flag=True, help="Read every file again, also those that seem unchanged.")
@workers_option
@json_option
@click.pass_obj
def index(
    options: Options,
    paths: Sequence[str],
    manifests: Sequence[str],
    no_digest: bool,
    verify: bool,
    workers: int | None,
    as_json: bool,
) -> None:
    """Write the headers of what is at PATHS to the warehouse, and do nothing else.

    PATHS are files, folders, archives (zip, tar, tar.gz, tar.zst, gz), patterns in quotes, file:// addresses.
    What was indexed before and is unchanged is not read again; an index that was stopped goes on where it was.
    Exit code 0: all indexed; 1: something was refused; 2: wrong use.
    """
    from hilum.cli.progress import ProgressBars

    wanted = inputs(paths, manifests)
    options.settings["workers"] = workers
    with options.open(create=True, log_level=quiet()) as home, ProgressBars() as bars:
        bars.expect(wanted)
        report = home.index(
            *wanted,
            manifests=manifests,
            digest=not no_digest,
            verify=verify,
            observer=bars,
            stop=stop_on_signals(),
        )
    refused = {reason for reason, number in report.counts.items() if number} - FINE
    if as_json:
        print_json(
            {"home": str(home.root), "objects": dict(report.counts), "interrupted": report.interrupted}
        )
    else:
        total = sum(report.counts.values())
        click.echo(f"{counted(total, 'object')}" + (f": {tallied(report.counts)}" if total else ""))
        if report.interrupted:
            click.echo("stopped early; the next index goes on from here")
    raise click.exceptions.Exit(130 if report.interrupted else int(bool(refused)))
