"""Compaction: many small files become few large ones, sorted, in bounded memory.

Files of a table grow geometrically with age: one gets merged with all that is newer once that is several times as
much. So a row is rewritten two or three times in its life, and a table of a million rows is a dozen files.

Every file is sorted, so a merge first reads the few columns that the order depends on, which tells from which file
each row of the result comes. Then it takes the rows from the files as they follow, a row group at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hilum.warehouse.encode import order_of
from hilum.warehouse.files import DataFile, damaged
from hilum.warehouse.parquet import GROUP_BYTES, GROUP_ROWS, open_file, writer
from hilum.warehouse.schemas import conform, schema_of, union_schema
from hilum.warehouse.tables import Table

RATIO = 4
ENOUGH = 8
FAN_IN = 16
"""To read a file of many columns takes 10 MB beside its rows: a decompressor for each column."""
LARGEST = 128 << 20
"""Files of this many bytes are left alone, so that no merge takes minutes."""
BLOCK_BYTES = 16 << 20
"""Decoded rows of all inputs together that wait for their turn."""
STEP = 1024
"""Rows between two looks at how large a row group has become."""

Places = np.ndarray[Any, np.dtype[np.integer[Any]]]


def choose(files: Sequence[DataFile]) -> list[list[DataFile]]:
    """Neighbours to merge, oldest first; nothing where files are few or well graded."""
    sizes = [file.path.stat().st_size for file in files]
    oldest = max((place + 1 for place, size in enumerate(sizes) if size >= LARGEST), default=0)
    start, newer = len(files), 0
    for place in range(len(files) - 1, oldest - 1, -1):
        if RATIO * sizes[place] <= newer:
            start = place
        newer += sizes[place]
    if len(files) - start < ENOUGH:
        return []
    groups: list[list[DataFile]] = [[]]
    merged = 0
    for file, size in zip(files[start:], sizes[start:], strict=True):
        if len(groups[-1]) == FAN_IN or merged + size > LARGEST:
            groups.append([])
            merged = 0
        groups[-1].append(file)
        merged += size
    return [group for group in groups if len(group) > 1]


def merge(table: Table, files: Sequence[DataFile], target: Path) -> None:
    """Write all rows of sorted files to one sorted file.

    Raises:
        WarehouseDamaged: one of the files is no Parquet file.
    """
    opened = [open_file(file.path) for file in files]
    try:
        schema = union_schema([schema_of(table), *(reader.schema_arrow for reader in opened)])
        streams = [
            _Stream(file.path, reader, schema, BLOCK_BYTES // len(files))
            for file, reader in zip(files, opened, strict=True)
        ]
        sources = _sources(table, streams)
        with writer(target, schema) as out:
            while len(sources):
                sources = sources[_write_group(out, sources, streams) :]
                pa.default_memory_pool().release_unused()
    finally:
        for reader in opened:
            reader.close()


def _sources(table: Table, streams: Sequence[_Stream]) -> Places:
    """For each row of the result the number of the stream that it comes from."""
    sources = np.repeat(np.arange(len(streams), dtype=np.int16), [stream.total for stream in streams])
    if not table.order:  # then batches follow each other, as files do
        return sources
    keys = [_ranks([stream.column(name) for stream in streams]) for name in order_of(table)]
    return sources[np.lexsort(keys[::-1])]


def _ranks(columns: Sequence[pa.ChunkedArray[Any]]) -> Places:
    """Numbers in the order of these values, nulls last."""
    whole = pa.chunked_array([chunk for column in columns for chunk in column.chunks], columns[0].type)
    if pa.types.is_integer(whole.type):
        return whole.to_numpy()
    encoded: Any = whole.dictionary_encode().combine_chunks()
    values = encoded.dictionary
    ranks = np.empty(len(values) + 1, np.int64)
    ranks[pc.sort_indices(values).to_numpy()] = np.arange(len(values))
    ranks[-1] = len(values)
    found: Places = ranks[encoded.indices.fill_null(len(values)).to_numpy()]
    return found


def _write_group(out: pq.ParquetWriter, sources: Places, streams: Sequence[_Stream]) -> int:
    """Write the next row group, of rows from these sources; how many rows it has."""
    parts: list[list[pa.Table]] = [[] for _ in streams]
    size = rows = 0
    while rows < len(sources) and size < GROUP_BYTES and rows < GROUP_ROWS:
        counts = np.bincount(sources[rows : rows + STEP], minlength=len(streams))
        for place, count in enumerate(counts.tolist()):
            if count:
                parts[place] += streams[place].take(count)
                size += count * streams[place].row_bytes
        rows = min(rows + STEP, len(sources))
    whole = pa.concat_tables([part for each in parts for part in each])
    out.write_table(_arranged(whole, np.argsort(sources[:rows], kind="stable")), row_group_size=GROUP_ROWS)
    return rows


def _arranged(rows: pa.Table, places: Places) -> pa.Table:
    """The rows, of which each is told its place in the result."""
    indices = np.empty(len(places), np.int64)
    indices[places] = np.arange(len(places))
    if (places[1:] > places[:-1]).all():
        return rows
    columns = [column.combine_chunks().take(indices) for column in rows.itercolumns()]
    return pa.Table.from_arrays(columns, schema=rows.schema)


class _Stream:
    """A file's rows, block by block."""

    def __init__(self, path: Path, file: pq.ParquetFile, schema: pa.Schema, budget: int) -> None:
        meta = file.metadata
        size = sum(meta.row_group(group).total_byte_size for group in range(meta.num_row_groups))
        self.total = meta.num_rows
        # in memory, text that Parquet keeps once in a dictionary is there for every row
        rows = budget * max(self.total, 1) // max(8 * size, 1)
        self._path, self._file, self._schema = path, file, schema
        self._blocks = file.iter_batches(batch_size=min(max(rows, 16), GROUP_ROWS), use_threads=False)
        self._rows = schema.empty_table()
        self.row_bytes = 0

    def column(self, name: str) -> pa.ChunkedArray[Any]:
        """A whole column."""
        wanted = [name] if name in self._file.schema_arrow.names else []
        try:
            rows = self._file.read(wanted, use_threads=False)
        except (pa.ArrowException, OSError) as error:
            raise damaged(self._path) from error
        if not wanted:
            return pa.chunked_array([pa.nulls(self.total, self._schema.field(name).type)])
        return conform(rows, pa.schema([self._schema.field(name)])).column(0)

    def take(self, count: int) -> list[pa.Table]:
        """The next rows, which are then gone."""
        taken = []
        while count:
            if not len(self._rows):
                self._fill()
            taken.append(self._rows.slice(0, count))
            self._rows = self._rows.slice(len(taken[-1]))
            count -= len(taken[-1])
        return taken

    def _fill(self) -> None:
        try:
            block = next(self._blocks)
        except (pa.ArrowException, OSError, StopIteration) as error:
            raise damaged(self._path) from error
        self._rows = conform(pa.Table.from_batches([block]), self._schema)
        self.row_bytes = self._rows.nbytes // max(len(self._rows), 1)
