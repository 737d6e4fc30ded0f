"""How pipelines write times and sizes: ``90m`` and ``1h30m``; ``8Gi`` and ``500m`` as Kubernetes writes quantities.

A bare number is refused where its unit could be guessed wrong, such as 60 seconds that were meant as minutes.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

DURATION = r"^(?=.)(\d+(\.\d+)?h)?(\d+(\.\d+)?m)?(\d+(\.\d+)?s)?$"
MEMORY = r"^\d+(\.\d+)?([KMGT]i|[kMGT])$"
CPU = r"^\d+(\.\d+)?m?$"
BYTES = {
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "Ki": 1 << 10,
    "Mi": 1 << 20,
    "Gi": 1 << 30,
    "Ti": 1 << 40,
}


def seconds(value: Any) -> float:
    """A duration in seconds; ValueError with how to write it."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    found = re.match(DURATION, value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{value!r} is no duration; write 60s, 90m or 1h30m")
    hours, _, minutes, _, rest, _ = (part or "" for part in found.groups())
    return 3600 * float(hours[:-1] or 0) + 60 * float(minutes[:-1] or 0) + float(rest[:-1] or 0)


def size(value: Any) -> int:
    """A number of bytes; ValueError with how to write it."""
    found = re.match(MEMORY, value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{value!r} is no size; write 500Mi or 8Gi")
    return int(float(value.removesuffix(found[2])) * BYTES[found[2]])


def cores(value: Any) -> float:
    """A number of processor cores; ValueError with how to write it."""
    text = str(value)
    if isinstance(value, bool) or not re.match(CPU, text) or not float(text.removesuffix("m")):
        raise ValueError(f"{value!r} is no number of cores; write 2, 0.5 or 500m")
    return float(text[:-1]) / 1000 if text.endswith("m") else float(text)


def _schema(pattern: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": list(examples)})


Duration = Annotated[float, BeforeValidator(seconds), _schema(DURATION, "60s", "90m", "1h30m")]
Size = Annotated[int, BeforeValidator(size), _schema(MEMORY, "500Mi", "8Gi")]
Cores = Annotated[
    float,
    BeforeValidator(cores),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": CPU}]}
    ),
]
