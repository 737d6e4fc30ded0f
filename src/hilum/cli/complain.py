"""Errors as people see them: one line, a line of help, and an exit code. Nothing here quotes patient data: messages
of errors that Hilum did not raise on purpose are left out, and what helps to find them is shown instead.
"""

from __future__ import annotations

import errno
import os
import platform
import sys
from typing import Any

import click

from hilum.errors import HilumError, UsageError
from hilum.version import __version__

FAILED, WRONG_USE, INTERRUPTED = 1, 2, 130
FRAMES = 8
"""Innermost frames that are shown of an error."""


def complain(error: BaseException) -> int:
    """Tell the user of an error that ended a command; the exit code for it."""
    match error:
        case click.exceptions.Exit():
            return error.exit_code
        case SystemExit():
            return error.code if isinstance(error.code, int) else FAILED
        case HilumError():
            say(error.message, error.hint)
            return WRONG_USE if isinstance(error, UsageError) else FAILED
        case click.exceptions.NoArgsIsHelpError():
            click.echo(error.format_message(), err=True)
            return WRONG_USE
        case click.ClickException():
            say(*_wrong_use(error))
            return WRONG_USE
        case click.Abort() | KeyboardInterrupt():
            say("stopped at once; the next run goes on from here")
            return INTERRUPTED
        case BrokenPipeError():
            # what reads our output went away, as `head` does; and it must not be told so at the end either
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FAILED
        case OSError() if error.errno in (errno.ENOSPC, errno.EDQUOT):
            say("there is no space left on the disk", "make room; then run the same again")
            return FAILED
    _unexpected(error)
    return FAILED


def say(message: str, help_: str = "") -> None:
    """An error of one line or several, and a line of help, on standard error."""
    first, *more = message.splitlines() or [""]
    click.echo(click.style("hilum: ", fg="red") + first, err=True, color=_colour())
    for line in more:
        click.echo(f"       {line}", err=True)
    if help_:
        _help(help_)


def _help(text: str) -> None:
    click.echo(click.style("  help: ", fg="cyan") + text, err=True, color=_colour())


def _colour() -> bool | None:
    return False if os.environ.get("NO_COLOR") else None


def _wrong_use(error: click.ClickException) -> tuple[str, str]:
    """Click's message in our form."""
    message = error.format_message().rstrip(".")
    message = message[:1].lower() + message[1:]
    context = getattr(error, "ctx", None)
    if isinstance(error, click.NoSuchOption):
        message = f"there is no option {error.option_name}"
        if context is not None:
            from hilum.kernel.nearest import nearest

            known = [name for param in context.command.get_params(context) for name in param.opts]
            if meant := nearest(error.option_name, [name for name in known if name.startswith("--")]):
                return message, f"did you mean {meant}?"
    return message, f"hilum {_path(context)}--help" if context is not None else ""


def _path(context: click.Context) -> str:
    return "".join(f"{name} " for name in context.command_path.split()[1:])


def _unexpected(error: BaseException) -> None:
    """A mistake of ours: class and frames, which is what a report needs, and no message, which may quote a header."""
    from hilum.kernel.disclosure import describe_error

    told: dict[str, Any] | None = describe_error(error)
    said = "something went wrong that should not have"
    while told:
        what = " ".join(str(told[key]) for key in ("kind", "reason", "errno") if key in told)
        say("\n".join([f"{said}: {what}", *(f"at {frame}" for frame in told.get("frames", [])[-FRAMES:])]))
        told, said = told.get("cause"), "because of"
    python = f"Python {platform.python_version()}, {platform.system()} {platform.release()}"
    _help(f"please report it with these lines; they hold no patient data (hilum {__version__}, {python})")
