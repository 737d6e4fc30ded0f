"""`hilum serve`: watch, process, go on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from hilum.cli.main import Options
from hilum.cli.run import pipeline_option, slots_option, stop_on_signals
from hilum.errors import UsageError

SECONDS = click.FloatRange(min=0)


class Watched(click.Path):
    """A folder, or an address, which is no path and stays as it is written."""

    name = "folder"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if "://" in str(value) else super().convert(value, param, ctx)


@click.command()
@click.option(
    "--watch",
    multiple=True,
    metavar="FOLDER",
    type=Watched(path_type=Path, file_okay=False),
    help="A folder (made if it is not there), pubsub://PROJECT/SUBSCRIPTION or gs://BUCKET/PREFIX; repeatable.",
)
@pipeline_option
@click.option("--still", type=SECONDS, help="Seconds that a file must not change before it counts (2).")
@click.option("--sweep", type=SECONDS, help="Seconds between two looks at everything (60).")
@slots_option
@click.option("--lead", is_flag=True, default=None, help="Of several engines on this ledger, one leads.")
@click.option("--health", metavar="ADDRESS", help="Serve /healthz, /readyz and /metrics there, e.g. :8080.")
@click.pass_obj
def serve(
    options: Options,
    watch: Sequence[str | Path],
    pipelines: Sequence[Path],
    still: float | None,
    sweep: float | None,
    slots: int | None,
    lead: bool | None,
    health: str | None,
) -> None:
    """Watch folders, subscriptions and buckets, and process what arrives once its series has settled.

    A bucket is listed every so many seconds (--sweep). Beside a subscription that finds what events were lost.

    SIGTERM or Ctrl-C: what is at work is finished, nothing new is begun, and the process ends with 0.
    """
    from hilum.app.addresses import check_watched

    check_watched(watch)
    options.settings |= {"still": still, "sweep": sweep, "slots": slots, "lead": lead, "health": health}
    with options.open(create=True, log_level="info") as home:
        if not watch and not home.settings.lead:  # an engine of several may live of what others take in
            raise UsageError(
                "nothing is named to watch", hint="name a folder, a subscription or a bucket with --watch"
            )
        home.serve(*watch, pipelines=pipelines, stop=stop_on_signals())
