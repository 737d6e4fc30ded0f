"""Traces without state: ids follow from content, so every process that knows a run's id can tell its part of the
trace, after a restart and on another machine alike. Sampling is a function of the id, so all decide the same.

Ids and the header are W3C Trace Context's (level 1): 16 and 8 bytes in hex, never all zero.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

TRACEPARENT = "TRACEPARENT"
"""The variable in which a container or another program finds its place in the trace."""
ALWAYS = 1.0


def run_trace(run_id: str) -> str:
    """The id of a run's trace, 32 hex digits."""
    return _hex(16, "run", run_id)


def arrival_trace(uri: str, version: str) -> str:
    """The id of an arrival's trace: that of an object at an address in a version, whoever sees it."""
    return _hex(16, "arrival", uri, version)


def span_id(*parts: str) -> str:
    """The id of a span, 16 hex digits, over what it is about: its kind first, then ids."""
    return _hex(8, *parts)


def step_span(attempt_id: str, step: str) -> str:
    """The id of the span of a step in an attempt: the parent of what the step itself tells."""
    return span_id("step", attempt_id, step)


def traceparent(trace: str, attempt_id: str, step: str) -> str:
    """The header for whatever a step starts; empty where its trace is not kept (``trace`` is empty)."""
    return f"00-{trace}-{step_span(attempt_id, step)}-01" if trace else ""


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which traces are kept.

    Attributes:
        share: of all traces, 0 to 1.
    """

    share: float = ALWAYS

    def keeps(self, trace: str) -> bool:
        """Whether the trace with this id is kept: as OpenTelemetry's TraceIdRatioBased decides in its SDKs."""
        return int(trace[16:], 16) < round(self.share * (1 << 64))


def switched_off(environment: Mapping[str, str]) -> bool:
    """Whether OpenTelemetry's own variable says that nothing is told at all."""
    return environment.get("OTEL_SDK_DISABLED", "").lower() == "true"


def sampling(telemetry: str, environment: Mapping[str, str]) -> Sampling | None:
    """Whether traces are told, and which, by OpenTelemetry's own variables; None where none is.

    Args:
        telemetry: the setting; with ``google`` traces are told where an OTLP endpoint is named.
    """
    endpoints = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    wanted = telemetry == "otlp" or (telemetry == "google" and any(environment.get(e) for e in endpoints))
    if not wanted or switched_off(environment) or environment.get("OTEL_TRACES_EXPORTER") == "none":
        return None
    sampler = environment.get("OTEL_TRACES_SAMPLER", "").removeprefix("parentbased_")
    if sampler == "always_off":
        return None
    if sampler == "traceidratio":
        try:
            share = float(environment.get("OTEL_TRACES_SAMPLER_ARG", "1"))
        except ValueError:
            share = ALWAYS
        return Sampling(min(max(share, 0.0), 1.0))
    return Sampling()


def _hex(size: int, *parts: str) -> str:
    digest = hashlib.sha256("\0".join(("hilum", *parts)).encode()).digest()[:size]
    return digest.hex() if any(digest) else "1".zfill(2 * size)
