"""One root for everything that Hilum refuses or that fails.

The engine asks one question of an error: is it worth trying again? So there are two kinds. A terminal error
will be the same next time (bad input, a mistake in a pipeline file): its object goes to quarantine or its task
dies. A transient one may pass (a full disk, a lost connection): it is retried with backoff. Each carries a
reason code, short and stable enough to group by, and a hint that says what to do next. Messages hold no
patient data: UIDs' digests and reason codes instead (design decision 8).
"""

from __future__ import annotations


class HilumError(Exception):
    """Root of all errors that Hilum raises on purpose.

    Args:
        message: what went wrong and where, in one line, without patient data.
        reason: a stable kebab-case code; defaults to the class's own.
        hint: what the reader can do about it; may be empty.
    """

    reason: str = "error"
    transient: bool = False

    def __init__(self, message: str, *, reason: str | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or type(self).reason
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.reason, self.hint)


def _rebuild(kind: type[HilumError], message: str, reason: str, hint: str) -> HilumError:
    return kind(message, reason=reason, hint=hint)


class TerminalError(HilumError):
    """Trying again gives the same: quarantine the object or let the task die."""

    reason = "terminal"


class TransientError(HilumError):
    """May pass: retry with exponential backoff and jitter."""

    reason = "transient"
    transient = True


class UsageError(TerminalError):
    """The caller asked for something that cannot be: exit code 2 on the command line."""

    reason = "usage"


class UnreadableError(TerminalError):
    """An object that intake cannot take as an instance; ``reason`` says why and goes to the quarantine."""

    reason = "unreadable"


class IgnoredError(TerminalError):
    """An object that is no instance by nature (a DICOMDIR, a file that is not DICOM): recorded, not quarantined."""

    reason = "ignored"


class StepError(TerminalError):
    """A step says that its input cannot be processed; raised by steps, never retried."""

    reason = "step-failed"
