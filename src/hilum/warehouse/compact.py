"""Compaction: many small files become few large ones, sorted, in bounded memory.

Files of a table grow geometrically with age: one that is less than RATIO times all that is newer gets merged with
that, once there are enough of them. So a row is rewritten a few times in its life, and a table of a million rows is
a dozen files. Each file is sorted, so merging is streaming: of every file one block of rows is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hilum.warehouse.encode import order_of, sort
from hilum.warehouse.files import DataFile, damaged
from hilum.warehouse.parquet import GROUP_BYTES, GROUP_ROWS, open_file, writer
from hilum.warehouse.schemas import conform, schema_of, union_schema
from hilum.warehouse.tables import Table

RATIO = 4
ENOUGH = 8
FAN_IN = 8
LARGEST = 1 << 30
"""Files of this many bytes are left alone."""
BLOCK_BYTES = 2 << 20
"""Decoded rows of all inputs together that are in memory."""


def choose(files: Sequence[DataFile]) -> list[list[DataFile]]:
    """Neighbours to merge, oldest first; nothing where files are few or well graded."""
    sizes = [file.path.stat().st_size for file in files]
    oldest = max((place + 1 for place, size in enumerate(sizes) if size >= LARGEST), default=0)
    start, newer = len(files), 0
    for place in range(len(files) - 1, oldest - 1, -1):
        if sizes[place] <= RATIO * newer:
            start = place
        newer += sizes[place]
    chosen = files[start:]
    if len(chosen) < ENOUGH:
        return []
    groups = [list(chosen[place : place + FAN_IN]) for place in range(0, len(chosen), FAN_IN)]
    return [group for group in groups if len(group) > 1]


def merge(table: Table, files: Sequence[DataFile], target: Path) -> None:
    """Write all rows of sorted files to one sorted file.

    Raises:
        WarehouseDamaged: one of the files is no Parquet file.
    """
    opened = [open_file(file.path) for file in files]
    try:
        schema = union_schema([schema_of(table), *(file.schema_arrow for file in opened)])
        streams = [
            _Stream(file.path, reader, table, schema, BLOCK_BYTES // len(files))
            for file, reader in zip(files, opened, strict=True)
        ]
        with writer(target, schema) as out:
            for rows in _grouped(_merged(table, streams)):
                out.write_table(rows, row_group_size=GROUP_ROWS)
    finally:
        for file in opened:
            file.close()


def _merged(table: Table, streams: list[_Stream]) -> Iterator[pa.Table]:
    """All rows in order. In each round every stream gives what comes before the first end of a block."""
    while streams := [stream for stream in streams if stream.fill()]:
        bound = min(stream.key(-1) for stream in streams)
        parts = [part for stream in streams if len(part := stream.take(bound))]
        yield parts[0] if len(parts) == 1 else sort(table, pa.concat_tables(parts))


def _grouped(parts: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in portions of a row group each."""
    pending: list[pa.Table] = []
    size = count = 0
    for part in parts:
        pending.append(part)
        size, count = size + part.nbytes, count + len(part)
        if size >= GROUP_BYTES or count >= GROUP_ROWS:
            yield pa.concat_tables(pending)
            pending, size, count = [], 0, 0
    if pending:
        yield pa.concat_tables(pending)


class _Stream:
    """A sorted file, read block by block."""

    def __init__(
        self, path: Path, file: pq.ParquetFile, table: Table, schema: pa.Schema, budget: int
    ) -> None:
        meta = file.metadata
        size = sum(meta.row_group(group).total_byte_size for group in range(meta.num_row_groups))
        # in memory, text that Parquet keeps once in a dictionary is there for every row
        rows = budget * max(meta.num_rows, 1) // max(4 * size, 1)
        self._blocks = file.iter_batches(batch_size=min(max(rows, 256), GROUP_ROWS), use_threads=False)
        self._path = path
        self._order = order_of(table)
        self._schema = schema
        self._rows = schema.empty_table()

    def fill(self) -> bool:
        """Read on if everything is taken; whether there is anything left."""
        while not len(self._rows):
            try:
                block = next(self._blocks, None)
            except (pa.ArrowException, OSError) as error:
                raise damaged(self._path) from error
            if block is None:
                return False
            self._rows = conform(pa.Table.from_batches([block]), self._schema)
        return True

    def key(self, place: int) -> tuple[tuple[bool, Any], ...]:
        """What a row is sorted by; nulls come last."""
        place = range(len(self._rows))[place]
        values = (self._rows.column(name)[place].as_py() for name in self._order)
        return tuple((value is None, "" if value is None else value) for value in values)

    def take(self, bound: tuple[tuple[bool, Any], ...]) -> pa.Table:
        """The rows up to ``bound``, which are then gone."""
        low, high = 0, len(self._rows)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self.key(middle) <= bound else (low, middle)
        taken, self._rows = self._rows.slice(0, low), self._rows.slice(low)
        return taken
