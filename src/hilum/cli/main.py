"""The entry: global options, commands found by name, and errors as one line that says what to do.

Nothing heavy is imported here: `hilum --help` has to answer at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hilum.errors import UsageError
from hilum.version import __version__

if TYPE_CHECKING:
    from hilum.app.home import Home
    from hilum.kernel.logging import Level

COMMANDS = {
    "run": ("hilum.cli.run:run", "Process what is at PATHS, and stop when all of it is done."),
    "index": ("hilum.cli.index:index", "Headers of what is at PATHS to the warehouse, and nothing else."),
    "serve": ("hilum.cli.serve:serve", "Watch folders and process what arrives, until told to stop."),
    "sweep": ("hilum.cli.sweep:sweep", "Take in what lies in buckets and no event has told of."),
    "status": ("hilum.cli.status:status", "How the home is doing: arrivals, runs, failures, what waits."),
    "query": ("hilum.cli.query:query", "Ask the warehouse in SQL."),
    "backfill": ("hilum.cli.backfill:backfill", "Load a home's rows in Parquet into BigQuery."),
    "lineage": ("hilum.cli.lineage:lineage", "Where a result came from, and what was made from it."),
    "export": ("hilum.cli.export:export", "Write results below DEST under names of your choice."),
    "plan": ("hilum.cli.plan:plan", "What would run, and why; changes nothing."),
    "close": ("hilum.cli.close:close", "Say that series or studies are complete, without waiting longer."),
    "retry": ("hilum.cli.plan:retry", "Bring failed runs back and run them."),
    "quarantine": ("hilum.cli.quarantine:quarantine", "What was refused: list, show, release."),
    "validate": ("hilum.cli.define:validate", "Check pipeline files."),
    "steps": ("hilum.cli.define:steps", "The steps that pipelines can use."),
    "step": ("hilum.cli.step:step", "Start a step of your own, or try one alone."),
    "doctor": ("hilum.cli.doctor:doctor", "What is wrong with a home, and how to mend it."),
    "demo": ("hilum.cli.demo:demo", "Process real scans and a phantom, and show the results."),
}


@dataclass
class Options:
    """What stands before the command: the home and settings by name."""

    home: Path | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    def open(self, *, create: bool = False, log_level: Level = "warning") -> Home:
        """The home, with logging as its settings say, else at ``log_level``."""
        from hilum.app.home import open_home
        from hilum.kernel.logging import configure
        from hilum.kernel.trace import sampling

        home = open_home(self.home, create=create, **self.settings)
        configure(
            home.settings.log_format,
            home.settings.log_level or log_level,
            sampling=sampling(home.settings.telemetry, os.environ),
        )
        return home


class Commands(click.Group):
    """Commands by name, each imported when it is called; a wrong name is answered with the nearest right one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, self._global_first(ctx, args))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from hilum.kernel.nearest import did_you_mean

            raise UsageError(f"there is no command {args[0]!r}", hint=did_you_mean(args[0], COMMANDS))
        return super().resolve_command(ctx, args)

    def _global_first(self, ctx: click.Context, args: list[str]) -> list[str]:
        """``hilum run scans --home h`` means ``hilum --home h run scans``: nobody should have to know the order."""
        taken = {
            name
            for option in self.get_params(ctx)
            if isinstance(option, click.Option) and not option.is_flag
            for name in option.opts
        }
        first: list[str] = []
        rest: list[str] = []
        words = iter(args)
        for word in words:
            if word == "--":
                rest += [word, *words]
            elif word in taken:
                first += [word, *(value for value in [next(words, None)] if value is not None)]
            elif word.partition("=")[0] in taken:
                first.append(word)
            else:
                rest.append(word)
        return first + rest


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="`hilum COMMAND --help` says more. These options may also stand after the command.",
)
@click.option("--home", type=click.Path(path_type=Path), help="A home; else HILUM_HOME, else ./.hilum.")
@click.option(
    "--log-format",
    type=click.Choice(["console", "json", "google"]),
    help="For people, for machines, for Cloud Logging.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error", "off"]),
    metavar="LEVEL",
    help="debug, info, warning, error or off.",
)
@click.version_option(__version__, prog_name="hilum")
@click.pass_context
def hilum(ctx: click.Context, home: Path | None, log_format: str | None, log_level: str | None) -> None:
    """DICOM in; checked, analysed and queryable results out, each with its history."""
    ctx.obj = Options(home, {"log_format": log_format, "log_level": log_level})
    if os.environ.get("NO_COLOR"):
        ctx.color = False


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; ends the process with 0 (done), 1 (something failed) or 2 (wrong use)."""
    try:
        code = hilum.main(args=arguments, prog_name="hilum", standalone_mode=False)
        sys.stdout.flush()
    except BaseException as error:
        from hilum.cli.complain import complain

        code = complain(error)
    sys.exit(code if isinstance(code, int) else 0)
