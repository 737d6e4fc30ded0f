"""The entry: global options, commands found by name, and errors as one line that says what to do.

Nothing heavy is imported here: `hilum --help` has to answer at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hilum.errors import HilumError, UsageError
from hilum.version import __version__

if TYPE_CHECKING:
    from hilum.app import Home

COMMANDS = {
    "run": ("hilum.cli.run:run", "Process what is at PATHS, and stop when all of it is done."),
    "serve": ("hilum.cli.serve:serve", "Watch folders and process what arrives, until told to stop."),
    "status": ("hilum.cli.look:status", "How the home is doing: arrivals, runs, failures, what waits."),
    "query": ("hilum.cli.query:query", "Ask the warehouse in SQL."),
    "lineage": ("hilum.cli.lineage:lineage", "Where a result came from, and what was made from it."),
    "export": ("hilum.cli.export:export", "Write results below DEST under names of your choice."),
    "plan": ("hilum.cli.plan:plan", "What would run, and why; changes nothing."),
    "retry": ("hilum.cli.plan:retry", "Bring failed runs back and run them."),
    "quarantine": ("hilum.cli.quarantine:quarantine", "What was refused: list, show, release."),
    "validate": ("hilum.cli.define:validate", "Check pipeline files."),
    "steps": ("hilum.cli.define:steps", "The steps that pipelines can use."),
    "doctor": ("hilum.cli.doctor:doctor", "What is wrong with a home, and how to mend it."),
    "demo": ("hilum.cli.demo:demo", "Process real scans and a phantom, and show the results."),
}


@dataclass
class Options:
    """What stands before the command: the home and settings by name."""

    home: Path | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    def open(self, *, create: bool = False) -> Home:
        """The home, with logging configured as its settings say."""
        from hilum.app import open_home
        from hilum.kernel.logging import configure

        home = open_home(self.home, create=create, **self.settings)
        configure(home.settings.log_format, home.settings.log_level)
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

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from hilum.kernel.nearest import did_you_mean

            raise UsageError(f"there is no command {args[0]!r}", hint=did_you_mean(args[0], COMMANDS))
        return super().resolve_command(ctx, args)


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--home", type=click.Path(path_type=Path), help="Where Hilum keeps its things; else HILUM_HOME, ./.hilum."
)
@click.option("--log-format", type=click.Choice(["console", "json"]), help="How log lines look.")
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="How much is logged."
)
@click.version_option(__version__, prog_name="hilum")
@click.pass_context
def hilum(ctx: click.Context, home: Path | None, log_format: str | None, log_level: str | None) -> None:
    """DICOM in; checked, analysed and queryable results out, each with its history."""
    ctx.obj = Options(home, {"log_format": log_format, "log_level": log_level})


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; ends the process with 0 (done), 1 (something failed) or 2 (wrong use)."""
    try:
        code = hilum.main(args=arguments, prog_name="hilum", standalone_mode=False)
    except HilumError as error:
        _complain(error.message, error.hint)
        code = 2 if isinstance(error, UsageError) else 1
    except click.exceptions.Exit as error:
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = 2
    except (click.Abort, KeyboardInterrupt):
        _complain("stopped; the next run goes on from here", "")
        code = 130
    except BrokenPipeError:
        with suppress(OSError):
            sys.stdout.close()
        code = 0
    sys.exit(code if isinstance(code, int) else 0)


def _complain(message: str, hint: str) -> None:
    click.echo(click.style("hilum: ", fg="red") + message, err=True)
    if hint:
        click.echo(click.style("  help: ", fg="cyan") + hint, err=True)
