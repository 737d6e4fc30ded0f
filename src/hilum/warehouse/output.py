"""Query results for other programs: CSV, JSON lines and Parquet."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK_ROWS = 10_000


def write_csv(rows: pa.Table, stream: BinaryIO) -> None:
    """UTF-8 with a header line (RFC 4180, with bare line feeds); null is empty, lists and records are JSON."""
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(rows.column_names)
    for values in _values(rows):
        writer.writerow([_cell(value) for value in values])
    text.detach()


def write_json_lines(rows: pa.Table, stream: BinaryIO) -> None:
    """One JSON object a line, in UTF-8; dates and times as ISO 8601, bytes as hex."""
    names = rows.column_names
    for values in _values(rows):
        stream.write(_json(dict(zip(names, values, strict=True))).encode() + b"\n")


def write_parquet(rows: pa.Table, stream: BinaryIO) -> None:
    """One Parquet file, compressed with Zstandard."""
    import pyarrow.parquet as pq

    pq.write_table(rows, stream, compression="zstd")


WRITERS: dict[str, Callable[[pa.Table, BinaryIO], None]] = {
    "csv": write_csv,
    "jsonl": write_json_lines,
    "parquet": write_parquet,
}
"""Writers by the format's name."""


def _values(rows: pa.Table) -> Iterator[tuple[Any, ...]]:
    for batch in rows.to_batches(max_chunksize=CHUNK_ROWS):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _cell(value: Any) -> Any:
    return _json(value) if isinstance(value, list | dict) else plain(value)


def _json(value: Any) -> str:
    return json.dumps(plain(value), ensure_ascii=False)


def plain(value: Any) -> Any:
    """A value of Arrow's in terms of JSON, at any depth; NaN and infinity, which JSON has not, become null."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bytes):
        return value.hex()
    return value if isinstance(value, str | int | None) else str(value)
