"""Logs that hold no patient data, by construction: a fixed event and disclosable fields (``disclosure.py``).

What may not be told is left out and its name listed under ``refused``, so a mistake shows without leaking.
Other people's log records and warnings (pydicom's quote header values) are reduced to where they came from,
and uncaught exceptions to class and frames.

structlog renders. It is imported by the first line that is really written, because that takes 0.1 s.
"""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TextIO

from hilum.kernel.disclosure import EVENT, describe_error, disclosable, place

if TYPE_CHECKING:
    from hilum.kernel.trace import Sampling

LogFormat = Literal["console", "json", "google"]
Level = Literal["debug", "info", "warning", "error", "off"]

SILENT = 100
LEVELS: dict[str, int] = {"debug": 10, "info": 20, "warning": 30, "error": 40, "off": SILENT}


@dataclass(frozen=True, slots=True)
class Logger:
    """Writes events with fields; cheap to make, and silent until :func:`configure` was called.

    An event is a constant in lower-case words. Fields are those of :data:`hilum.kernel.disclosure.FIELDS`.
    """

    name: str
    fields: Mapping[str, Any] = field(default_factory=dict)

    def bind(self, **fields: Any) -> Logger:
        """The same logger with these fields on every event."""
        return replace(self, fields={**self.fields, **fields})

    def debug(self, event: str, *, error: BaseException | None = None, **fields: Any) -> None:
        self._log("debug", event, fields, error)

    def info(self, event: str, **fields: Any) -> None:
        self._log("info", event, fields)

    def warning(self, event: str, *, error: BaseException | None = None, **fields: Any) -> None:
        self._log("warning", event, fields, error)

    def error(self, event: str, *, error: BaseException | None = None, **fields: Any) -> None:
        self._log("error", event, fields, error)

    def _log(
        self, level: str, event: str, fields: Mapping[str, Any], error: BaseException | None = None
    ) -> None:
        if not _output.takes(level):
            return
        offered = {**(_bound.get() or {}), **self.fields, **fields}
        told = {name: _plain(value) for name, value in offered.items() if disclosable(name, value)}
        refused = sorted(offered.keys() - told.keys())
        if not EVENT.fullmatch(event):
            event, refused = "an event that is no constant was withheld", ["event", *refused]
        if refused:
            told["refused"] = refused
        if error is not None:
            told["error"] = describe_error(error)
        _output.write(level, self.name, event, told)


def get_logger(name: str) -> Logger:
    """The logger of a module: ``log = get_logger(__name__)``."""
    return Logger(name)


@contextmanager
def bound(**ids: Any) -> Iterator[None]:
    """Put these fields on every event of this thread or coroutine until the block ends."""
    token = _bound.set({**(_bound.get() or {}), **ids})
    try:
        yield
    finally:
        _bound.reset(token)


def configure(
    log_format: LogFormat = "console",
    level: Level = "info",
    stream: TextIO | None = None,
    sampling: Sampling | None = None,
) -> None:
    """Start writing logs, and keep everything else in the process from writing what it knows of patients.

    Args:
        log_format: ``console`` for people, ``json`` for machines: one object a line; ``google`` for Cloud Logging.
        level: the least level that is written. Of libraries, errors are; their warnings only at ``debug``.
        stream: where to; whatever standard error is at the moment of writing, by default.
        sampling: which traces are told, for lines that name theirs.
    """
    _output.begin(log_format, LEVELS[level], stream, sampling)
    root = logging.getLogger()
    root.handlers[:] = [_Reduced()]
    root.setLevel(logging.WARNING if level == "debug" else logging.ERROR)
    warnings.showwarning = _warned
    sys.excepthook = _uncaught
    sys.unraisablehook = threading.excepthook = _uncaught_elsewhere


class _Output:
    """Where lines go: the one piece of state, so that every logger of the process follows ``configure``."""

    def __init__(self) -> None:
        self.begin("console", SILENT, None)

    def begin(
        self,
        log_format: LogFormat,
        threshold: int,
        stream: TextIO | None,
        sampling: Sampling | None = None,
    ) -> None:
        self._format, self._threshold, self._stream = log_format, threshold, stream
        self._sampling = sampling
        self._render: Callable[[str, dict[str, Any]], str] | None = None

    def takes(self, level: str) -> bool:
        return LEVELS[level] >= self._threshold

    def write(self, level: str, logger: str, event: str, fields: Mapping[str, Any]) -> None:
        stream = self._stream or sys.stderr
        if self._render is None:
            if self._format == "google":
                from hilum.kernel.google_log import renderer

                self._render = renderer(self._sampling)
            else:
                self._render = _renderer(self._format, stream.isatty())
        line = self._render(level, {"event": event, "logger": logger, **fields})
        stream.write(line + "\n")
        stream.flush()


def _renderer(log_format: LogFormat, colors: bool) -> Callable[[str, dict[str, Any]], str]:
    import structlog

    chain: list[Any] = [structlog.processors.add_log_level]
    if log_format == "json":
        chain += [
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    else:
        chain += [
            _for_people,
            structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
            structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=32),
        ]

    def render(level: str, event: dict[str, Any]) -> str:
        value: Any = event
        for processor in chain:
            value = processor(None, level, value)
        return str(value)

    return render


def _for_people(_logger: object, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """An exception on one line: what and where, and what it came of. Of what is audited, what tells it from others
    stands in the warehouse and in the log for machines."""
    links: list[str] = []
    told = event.pop("error", None)
    while told:
        link = told.get("reason") or told.get("errno") or told["kind"]
        if told.get("frames"):
            link += f" at {told['frames'][-1]}"
        links.append(f"{link}: {told['message']}" if "message" in told else link)
        told = told.get("cause")
    if event.pop("audit_id", None):
        event.pop("at", None)
        event.pop("digest", None)
    if links:
        event["error"] = " < ".join(links)
    return event


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return value.isoformat() if isinstance(value, datetime) else value


class _Reduced(logging.Handler):
    """A library's record without its text."""

    def emit(self, record: logging.LogRecord) -> None:
        level = "error" if record.levelno >= logging.ERROR else "debug"
        if not _output.takes(level):
            return
        told: dict[str, Any] = {"place": f"{place(record.pathname)}:{record.lineno}"}
        if record.exc_info and record.exc_info[1]:
            told["error"] = describe_error(record.exc_info[1])
        _output.write(level, record.name, "a library's message was withheld", told)


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: Any = None,
) -> None:
    if _output.takes("debug"):
        told = {"kind": category.__name__, "place": f"{place(filename)}:{lineno}"}
        _output.write("debug", "warnings", "a library's warning was withheld", told)


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if _output.takes("error") and not isinstance(error, KeyboardInterrupt):
        _output.write("error", "hilum", "an exception was not handled", {"error": describe_error(error)})


def _uncaught_elsewhere(told: threading.ExceptHookArgs | sys.UnraisableHookArgs) -> None:
    if told.exc_value is not None:
        _uncaught(type(told.exc_value), told.exc_value, told.exc_traceback)


_output = _Output()
_bound: ContextVar[Mapping[str, Any] | None] = ContextVar("hilum_log_fields", default=None)
