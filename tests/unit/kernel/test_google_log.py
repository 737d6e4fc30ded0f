"""Lines for Cloud Logging beside Google's page "Structured logging" (section "Special JSON fields in messages", read
in November 2026), the reference pages "LogEntry" and "HttpRequest", and "Format errors in logs" of Error Reporting.
"""

import io
import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from hilum.errors import TransientError
from hilum.kernel import logging as hilum_logging
from hilum.kernel.disclosure import FIELDS
from hilum.kernel.google_log import LABELS
from hilum.kernel.logging import get_logger
from hilum.kernel.trace import Sampling, run_trace, span_id, step_span

MARKER = "MARKER^JANE"
RUN = "r-0123456789abcdef"
SEVERITIES = {
    *("DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY"),
}
"""LogSeverity."""
HTTP_REQUEST: dict[str, Callable[[Any], bool]] = {
    "requestMethod": lambda value: isinstance(value, str) and value.isupper(),
    "requestUrl": lambda value: isinstance(value, str),
    "status": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "latency": lambda value: re.fullmatch(r"\d+(\.\d{1,9})?s", value) is not None,
}
"""Of HttpRequest, what we give; a Duration is seconds with up to nine digits and an s."""
SOURCE_LOCATION: dict[str, Callable[[Any], bool]] = {
    "file": lambda value: isinstance(value, str),
    "line": lambda value: re.fullmatch(r"\d+", value) is not None,
    "function": lambda value: isinstance(value, str),
}
"""LogEntrySourceLocation: line is an int64, which JSON carries as a string."""


def object_of(shape: dict[str, Callable[[Any], bool]]) -> Callable[[Any], bool]:
    return lambda value: set(value) <= set(shape) and all(shape[key](item) for key, item in value.items())


DOCUMENTED: dict[str, Callable[[Any], bool]] = {
    "severity": lambda value: value in SEVERITIES,
    "message": lambda value: isinstance(value, str) and value != "",
    "time": lambda value: (
        re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", value) is not None
        and datetime.fromisoformat(value) is not None
    ),
    "httpRequest": object_of(HTTP_REQUEST),
    "logging.googleapis.com/insertId": lambda value: isinstance(value, str),
    "logging.googleapis.com/labels": lambda value: all(isinstance(item, str) for item in value.values()),
    "logging.googleapis.com/operation": lambda value: False,
    "logging.googleapis.com/sourceLocation": object_of(SOURCE_LOCATION),
    "logging.googleapis.com/spanId": lambda value: re.fullmatch(r"[0-9a-f]{16}", value) is not None,
    "logging.googleapis.com/trace": lambda value: (
        re.fullmatch(r"(projects/[^/]+/traces/)?[0-9a-f]{32}", value) is not None
    ),
    "logging.googleapis.com/trace_sampled": lambda value: isinstance(value, bool),
    # Error Reporting, "Format errors in logs"
    "@type": lambda value: (
        value == "type.googleapis.com/google.devtools.clouderrorreporting.v1beta1.ReportedErrorEvent"
    ),
    "serviceContext": object_of({"service": lambda v: v != "", "version": lambda v: isinstance(v, str)}),
    "stack_trace": lambda value: value.startswith("Traceback (most recent call last):\n"),
    "context": lambda value: (
        set(value["reportLocation"]) == {"filePath", "lineNumber", "functionName"}
        and isinstance(value["reportLocation"]["lineNumber"], int)
    ),
}


@pytest.fixture
def begin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., io.StringIO]]:
    monkeypatch.setattr(hilum_logging, "_output", hilum_logging._Output())
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)

    def start(level: Any = "debug", sampling: Sampling | None = None) -> io.StringIO:
        stream = io.StringIO()
        hilum_logging._output.begin("google", hilum_logging.LEVELS[level], stream, sampling)
        return stream

    return start


def only(stream: io.StringIO) -> dict[str, Any]:
    (line,) = stream.getvalue().splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def as_documented(line: dict[str, Any]) -> dict[str, Any]:
    """The payload that is left when the special fields, each as documented, are taken out."""
    wrong = [name for name, fits in DOCUMENTED.items() if name in line and not fits(line[name])]
    assert wrong == []
    assert [
        name for name in line if name.startswith("logging.googleapis.com/") and name not in DOCUMENTED
    ] == []
    return {name: value for name, value in line.items() if name not in DOCUMENTED}


def test_a_line_has_severity_message_time_labels_and_where_it_comes_from(begin):
    stream = begin()
    get_logger("hilum.engine").info("settled", subject="s-0123456789abcdef", instances=60)
    line = only(stream)
    assert as_documented(line) == {"instances": 60}
    assert (line["severity"], line["message"]) == ("INFO", "settled")
    assert line["logging.googleapis.com/labels"] == {
        "logger": "hilum.engine",
        "subject": "s-0123456789abcdef",
    }
    location = line["logging.googleapis.com/sourceLocation"]
    assert location["file"] == "kernel/test_google_log.py"
    assert location["function"] == "test_a_line_has_severity_message_time_labels_and_where_it_comes_from"
    source = open(__file__).read().splitlines()  # noqa: SIM115
    assert ".info(" in source[int(location["line"]) - 1]


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_a_level_is_the_severity_of_the_same_name(begin, level):
    stream = begin()
    getattr(get_logger("hilum"), level)("said")
    assert only(stream)["severity"] == level.upper()


def test_a_line_of_a_run_is_in_the_runs_trace_with_the_span_that_it_is_about(begin, monkeypatch):
    attempt = f"{RUN}.0.1"
    log = get_logger("hilum").bind(run=RUN)
    found = []
    for fields in ({}, {"attempt": attempt}, {"attempt": attempt, "step": "qc"}):
        stream = begin(sampling=Sampling())
        log.info("said", **fields)
        line = only(stream)
        as_documented(line)
        assert line["logging.googleapis.com/trace"] == run_trace(RUN)
        assert line["logging.googleapis.com/trace_sampled"] is True
        found.append(line["logging.googleapis.com/spanId"])
    assert found == [span_id("run", RUN), span_id("attempt", attempt), step_span(attempt, "qc")]
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "hospital")
    stream = begin()
    log.info("said")
    assert only(stream)["logging.googleapis.com/trace"] == f"projects/hospital/traces/{run_trace(RUN)}"
    assert only(stream)["logging.googleapis.com/trace_sampled"] is False, "nobody tells that trace"


def test_a_line_of_no_run_names_no_trace(begin):
    stream = begin(sampling=Sampling())
    get_logger("hilum").info("serving", count=1)
    assert [name for name in only(stream) if "trace" in name or "span" in name] == []


def failing() -> None:
    raise ValueError(f"bad value {MARKER!r}")


def test_an_exception_is_an_event_of_error_reporting_by_class_and_frames_without_its_message(begin):
    stream = begin()
    try:
        try:
            failing()
        except ValueError as cause:
            raise TransientError("the disk is full", reason="storage-full") from cause
    except TransientError as error:
        get_logger("hilum").error("attempt failed", run=RUN, error=error)
    assert MARKER not in stream.getvalue()
    line = only(stream)
    as_documented(line)
    assert line["@type"].endswith("ReportedErrorEvent")
    assert line["serviceContext"]["service"] == "hilum"
    first, second = line["stack_trace"].split(
        "\n\nThe above exception was the direct cause of the following exception:\n\n"
    )
    assert re.fullmatch(
        r'(?s)Traceback .*  File "kernel/test_google_log.py", line \d+, in failing\nValueError', first
    )
    assert second.endswith("\nTransientError: the disk is full [storage-full]")


def test_an_error_without_an_exception_is_reported_by_its_place(begin):
    stream = begin()
    get_logger("hilum").error("task is dead", run=RUN, step="qc", reason="no-spleen")
    line = only(stream)
    assert as_documented(line) == {"reason": "no-spleen"}
    assert line["context"]["reportLocation"]["filePath"] == "kernel/test_google_log.py"
    assert "stack_trace" not in line


def test_what_was_asked_over_http_stands_where_cloud_logging_looks_for_it(begin):
    stream = begin()
    asked = {"http_method": "GET", "http_path": "/metrics", "http_status": 503, "seconds": 0.25}
    get_logger("hilum").warning("a request was not answered", **asked)
    line = only(stream)
    assert as_documented(line) == {}
    assert line["httpRequest"] == {
        "requestMethod": "GET",
        "requestUrl": "/metrics",
        "status": 503,
        "latency": "0.250000s",
    }


def test_what_a_library_says_is_told_by_its_place(begin):
    stream = begin()
    hilum_logging._output.write(
        "error", "pydicom", "a library's message was withheld", {"place": "pydicom/charset.py:120"}
    )
    line = only(stream)
    assert as_documented(line) == {}
    assert line["logging.googleapis.com/sourceLocation"] == {
        "file": "pydicom/charset.py",
        "line": "120",
        "function": "",
    }


def test_no_field_of_ours_has_a_name_that_cloud_logging_takes_for_its_own():
    assert set(FIELDS) & {*DOCUMENTED, "timestamp", "timestampSeconds", "timestampNanos", "log"} == set()
    assert set(LABELS) <= set(FIELDS)
