"""The instruments, in one table that feeds both OpenTelemetry and the Prometheus endpoint.

Names are OpenTelemetry's; Prometheus' follow from them by the rules of its page "Prometheus and OpenMetrics
Compatibility": dots become underscores, the unit and, for a counter, ``total`` are appended. Units are UCUM's, with
annotations in braces where things are counted. Attributes are names of disclosable fields, so a value that may not be
told (``kernel/disclosure.py``) has no way in: no patient data, no UIDs, no ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hilum.kernel.disclosure import disclosable

WORDS = {"s": "seconds", "By": "bytes"}
"""Units that Prometheus writes out in a name."""
BUCKETS = (0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0)
"""Upper bounds of a histogram, seconds: from a header check to an hour of segmentation."""
UNTOLD = "other"
"""In place of a value that may not be told."""
NONE = "none"
"""In place of an empty value: what succeeded has no reason."""

Kind = Literal["gauge", "counter", "histogram"]
Attributes = Mapping[str, str]
Point = tuple[Attributes, float]


@dataclass(frozen=True, slots=True)
class Instrument:
    """One thing that is measured.

    Attributes:
        ledger: its values are asked of the ledger, so they are the home's and every engine shows the same; else they
            are this engine's own since it started.
    """

    name: str
    unit: str
    kind: Kind
    about: str
    attributes: tuple[str, ...] = ()
    ledger: bool = True

    @property
    def prometheus(self) -> str:
        """The name that Prometheus shows; of a histogram without ``_bucket``, ``_count`` and ``_sum``."""
        parts = [self.name.replace(".", "_"), WORDS.get(self.unit, ""), "total" * (self.kind == "counter")]
        return "_".join(part for part in parts if part)


INSTRUMENTS: dict[str, Instrument] = {
    each.name: each
    for each in (
        Instrument(
            "hilum.arrivals",
            "{object}",
            "gauge",
            "objects that arrived, and what became of them",
            ("outcome", "source"),
        ),
        Instrument("hilum.arrival.age", "s", "gauge", "time since the newest object arrived; absent before"),
        Instrument("hilum.sweep.found", "{object}", "counter", "objects of lost events that a sweep found"),
        Instrument("hilum.quarantine", "{object}", "gauge", "objects that wait for a decision", ("reason",)),
        Instrument("hilum.quarantined", "{object}", "counter", "objects that were refused, ever"),
        Instrument("hilum.subjects", "{subject}", "gauge", "series and studies", ("scope",)),
        Instrument(
            "hilum.open_subjects", "{subject}", "gauge", "series and studies that are not complete yet"
        ),
        Instrument(
            "hilum.settle.age",
            "s",
            "gauge",
            "how long the oldest open series or study has been open; 0 if none is",
        ),
        Instrument(
            "hilum.runs",
            "{run}",
            "gauge",
            "current runs, and those that were superseded",
            ("pipeline", "state"),
        ),
        Instrument(
            "hilum.tasks",
            "{task}",
            "gauge",
            "tasks, with the reason of those that failed",
            ("state", "reason"),
        ),
        Instrument("hilum.dead_tasks", "{task}", "gauge", "dead tasks of current runs: somebody has to look"),
        Instrument(
            "hilum.queue.wait",
            "s",
            "gauge",
            "how long the work that waits longest has been ready; 0 if none waits",
        ),
        Instrument("hilum.outbox", "{row}", "gauge", "rows that the warehouse has yet to learn"),
        Instrument("hilum.outbox.age", "s", "gauge", "how old the oldest of them is; 0 if there is none"),
        Instrument(
            "hilum.attempts",
            "{attempt}",
            "counter",
            "attempts that ended",
            ("outcome", "executor"),
            ledger=False,
        ),
        Instrument(
            "hilum.attempt.duration",
            "s",
            "histogram",
            "how long a step took in an attempt, staging and collecting included",
            ("step", "outcome"),
            ledger=False,
        ),
        Instrument("hilum.engine.leads", "{engine}", "gauge", "1 if this engine leads, else 0", ledger=False),
    )
}
"""Everything that is measured, by name."""


def told(instrument: Instrument, attributes: Mapping[str, Any]) -> dict[str, str]:
    """The attributes as they may be told.

    Raises:
        ValueError: they are not the instrument's.
    """
    if set(attributes) != set(instrument.attributes):
        raise ValueError(f"{instrument.name} has the attributes {instrument.attributes}")
    return {
        name: NONE if value == "" else value if disclosable(name, value) else UNTOLD
        for name, value in attributes.items()
    }


def summed(instrument: Instrument, points: Iterable[tuple[Mapping[str, Any], float]]) -> list[Point]:
    """Points with attributes as they may be told; those that become alike are added up."""
    found: dict[tuple[tuple[str, str], ...], float] = {}
    for attributes, value in points:
        key = tuple(sorted(told(instrument, attributes).items()))
        found[key] = found.get(key, 0) + value
    return [(dict(key), value) for key, value in found.items()]
