"""Log lines as Cloud Logging takes them from a container's output: Google's page "Structured logging", section
"Special JSON fields in messages"; and, for errors, as Error Reporting takes them: "Format errors in logs".

A stack trace is rebuilt from what may be told of an exception, so it has classes and frames, and a message only where
Hilum made it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from hilum.kernel.disclosure import place
from hilum.kernel.trace import Sampling, run_trace, span_id, step_span
from hilum.version import __version__

SPECIAL = "logging.googleapis.com/"
SEVERITY = {"debug": "DEBUG", "info": "INFO", "warning": "WARNING", "error": "ERROR"}
REPORTED = "type.googleapis.com/google.devtools.clouderrorreporting.v1beta1.ReportedErrorEvent"
SERVICE = {"service": "hilum", "version": __version__}
LABELS = (
    *("run", "task", "attempt", "segment", "subject", "pipeline", "step", "executor", "engine"),
    *("action", "actor"),
)
"""Fields that become labels: what one looks for. The rest is the entry's payload."""
REQUEST = {"http_method": "requestMethod", "http_path": "requestUrl", "http_status": "status"}
OURS = ("kernel/logging.py", "kernel/google_log.py")


def renderer(sampling: Sampling | None) -> Callable[[str, Mapping[str, Any]], str]:
    """Makes a line of an event's fields, ``event`` and ``logger`` among them.

    Args:
        sampling: which traces are told; None where none is.
    """
    project = os.environ.get("GOOGLE_CLOUD_PROJECT", "")

    def render(level: str, event: Mapping[str, Any]) -> str:
        return json.dumps(entry(level, event, datetime.now(UTC), project, sampling), ensure_ascii=False)

    return render


def entry(
    level: str, event: Mapping[str, Any], now: datetime, project: str = "", sampling: Sampling | None = None
) -> dict[str, Any]:
    """The line as a JSON object."""
    rest = {name: value for name, value in event.items() if name not in ("event", "logger", "error")}
    labels = {name: str(rest.pop(name)) for name in LABELS if rest.get(name) is not None}
    error = event.get("error")
    where = _source(rest.pop("place", ""), error)
    told: dict[str, Any] = {
        "severity": SEVERITY[level],
        "message": event["event"],
        "time": now.isoformat().replace("+00:00", "Z"),
        f"{SPECIAL}labels": {"logger": event["logger"], **labels},
        f"{SPECIAL}sourceLocation": where,
    }
    if insert_id := rest.pop("audit_id", ""):
        told[f"{SPECIAL}insertId"] = insert_id
    if "run" in labels:
        told |= _trace(labels, project, sampling)
    if request := {REQUEST[name]: rest.pop(name) for name in REQUEST if name in rest}:
        if (seconds := rest.pop("seconds", None)) is not None:
            request["latency"] = f"{seconds:.6f}s"
        told["httpRequest"] = request
    if level == "error":
        told |= {"@type": REPORTED, "serviceContext": SERVICE}
        if error is None:
            told["context"] = {
                "reportLocation": {
                    "filePath": where["file"],
                    "lineNumber": int(where["line"]),
                    "functionName": where["function"],
                }
            }
    if error is not None:
        told |= {"stack_trace": stack_trace(error), "error": error}
    return told | rest


def stack_trace(error: Mapping[str, Any]) -> str:
    """An exception, as :func:`hilum.kernel.disclosure.describe_error` tells it, in Python's own words and order."""
    parts = []
    told: Mapping[str, Any] | None = error
    while told:
        lines = ["Traceback (most recent call last):"]
        for frame in told.get("frames", ()):
            file, line, function = frame.split(":", 2)
            lines.append(f'  File "{file}", line {line}, in {function}')
        said = told.get("reason") or told.get("errno") or ""
        if "message" in told:
            said = f"{told['message']} [{said}]"
        lines.append(f"{told['kind']}: {said}" if said else told["kind"])
        parts.append("\n".join(lines))
        told = told.get("cause")
    joint = "\n\nThe above exception was the direct cause of the following exception:\n\n"
    return joint.join(reversed(parts))


def _trace(labels: Mapping[str, str], project: str, sampling: Sampling | None) -> dict[str, Any]:
    trace = run_trace(labels["run"])
    attempt, step = labels.get("attempt"), labels.get("step")
    if attempt and step:
        span = step_span(attempt, step)
    else:
        span = span_id("attempt", attempt) if attempt else span_id("run", labels["run"])
    return {
        f"{SPECIAL}trace": f"projects/{project}/traces/{trace}" if project else trace,
        f"{SPECIAL}spanId": span,
        f"{SPECIAL}trace_sampled": sampling is not None and sampling.keeps(trace),
    }


def _source(told: str, error: Mapping[str, Any] | None) -> dict[str, str]:
    """Where a line comes from: what a library's record said of itself, an exception's last frame, or our caller."""
    if told:
        file, _, line = told.rpartition(":")
        return {"file": file, "line": line, "function": ""}
    frame = sys._getframe(1)
    while frame.f_back and place(frame.f_code.co_filename) in OURS:
        frame = frame.f_back
    file, line, function = place(frame.f_code.co_filename), str(frame.f_lineno), frame.f_code.co_name
    if error and error.get("frames") and place(frame.f_code.co_filename) in OURS:
        file, line, function = error["frames"][-1].split(":", 2)
    return {"file": file, "line": line, "function": function}
