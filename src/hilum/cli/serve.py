"""`hilum serve`: watch, process, go on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from hilum.cli.main import Options
from hilum.cli.run import pipeline_option, stop_on_signals


@click.command()
@click.option(
    "--watch",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="A folder to watch; repeatable.",
)
@pipeline_option
@click.option("--still", type=float, help="Seconds that a file must not change before it counts.")
@click.option("--sweep", type=float, help="Seconds between two looks at everything.")
@click.option("--slots", type=int, help="Attempts at once; by default one for each core.")
@click.pass_obj
def serve(
    options: Options,
    watch: Sequence[Path],
    pipelines: Sequence[Path],
    still: float | None,
    sweep: float | None,
    slots: int | None,
) -> None:
    """Watch folders and process what arrives once its series has settled.

    SIGTERM or Ctrl-C: what is at work is finished, nothing new is begun, and the process ends with 0.
    """
    options.settings |= {"still": still, "sweep": sweep, "slots": slots}
    if options.settings.get("log_level") is None:
        options.settings["log_level"] = "info"
    with options.open(create=True) as home:
        home.serve(*watch, pipelines=pipelines, stop=stop_on_signals())
