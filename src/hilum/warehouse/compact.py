"""Compaction: many small files become few large ones, sorted, in bounded memory.

Files of a table grow geometrically with age: one gets merged with all that is newer once that is several times as
much. So a row is rewritten two or three times in its life, and a table of a million rows is a dozen files.

Every file is sorted, so a merge first reads the few columns that the order depends on, which tells from which file
each row of the result comes. Then it takes the rows from the files as they follow, a row group at a time.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as kind

from hilum.dicom.columns import is_sequence, place_of
from hilum.kernel.memory import give_back
from hilum.warehouse.encode import integers, numbers, order_of
from hilum.warehouse.files import DataFile, damaged
from hilum.warehouse.parquet import GROUP_BYTES, GROUP_ROWS, open_file, writer
from hilum.warehouse.repeated import numbered, repeated
from hilum.warehouse.schemas import conform, schema_of, union_schema
from hilum.warehouse.tables import BOOKS, Table

RATIO = 4
ENOUGH = 8
FAN_IN = 12
"""To read a file of many columns takes 5 MB beside its rows: a decoder for each column."""
LARGEST = 128 << 20
"""Files of this many bytes are left alone, so that no merge takes minutes."""
BLOCK_BYTES = 8 << 20
"""Decoded rows of all inputs together that wait for their turn."""
STEP = 1024
"""Rows between two looks at how large a row group has become."""
EVERY = 16
"""Columns after which what they had before is given back, or a row group is there twice (15 MB less, measured)."""

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
    most = -(-(len(files) - start) // -(-(len(files) - start) // FAN_IN))  # groups of the same size
    for file, size in zip(files[start:], sizes[start:], strict=True):
        if len(groups[-1]) == most or merged + size > LARGEST:
            groups.append([])
            merged = 0
        groups[-1].append(file)
        merged += size
    return [group for group in groups if len(group) > 1]


def merged_schema(table: Table, files: Sequence[DataFile]) -> pa.Schema:
    """The columns of all files as batches have them, the table's own first, then by tag, so that files with the same
    ones are of one shape.

    Raises:
        WarehouseDamaged: one of the files is no Parquet file.
    """
    schemas = [schema_of(table)]
    for file in files:
        with open_file(file.path) as reader:
            schemas.append(reader.schema_arrow)
    fields = list(union_schema(schemas))
    books = [field for field in fields if field.name in BOOKS]
    own = [field for field in fields if field.name in schemas[0].names and field not in books]
    others = [field for field in fields if field.name not in schemas[0].names]
    return pa.schema([*own, *_by_tag(others), *books])


def _by_tag(fields: Sequence[pa.Field[Any]]) -> list[pa.Field[Any]]:
    found = []
    for field in sorted(fields, key=lambda field: place_of(field.name)):
        if is_sequence(field.name) and kind.is_list(field.type) and kind.is_struct(field.type.value_type):
            field = field.with_type(pa.list_(pa.struct(_by_tag(list(field.type.value_type)))))
        found.append(field)
    return found


def merge(table: Table, files: Sequence[DataFile], schema: pa.Schema, target: Path) -> None:
    """Write all rows of sorted files to one sorted file.

    Raises:
        WarehouseDamaged: one of the files cannot be read.
    """
    texts = repeated([_described(file.path) for file in files])
    schema = numbered(schema, set().union(*texts))
    opened = [open_file(file.path, own) for file, own in zip(files, texts, strict=True)]
    try:
        streams = [
            _Stream(file.path, reader, schema, BLOCK_BYTES // len(files))
            for file, reader in zip(files, opened, strict=True)
        ]
        sources = _sources(table, streams)
        with writer(target, schema) as out:
            while len(sources):
                sources = sources[_write_group(out, sources, streams) :]
                give_back()
    finally:
        for reader in opened:
            reader.close()


def _described(path: Path) -> pq.FileMetaData:
    with open_file(path) as reader:
        return reader.metadata


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
    if kind.is_integer(whole.type):
        return integers(whole.combine_chunks())
    repeats = whole if kind.is_dictionary(whole.type) else whole.dictionary_encode()
    encoded: Any = repeats.combine_chunks()
    values = encoded.dictionary
    ranks = np.empty(len(values) + 1, np.int64)
    ranks[integers(pc.sort_indices(values))] = np.arange(len(values))
    ranks[-1] = len(values)
    absent = numbers(np.full(len(encoded), len(values)))
    found: Places = ranks[integers(pc.coalesce(encoded.indices.cast(pa.int64()), absent))]
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
    out.write_table(_arranged(parts, np.argsort(sources[:rows], kind="stable")), row_group_size=GROUP_ROWS)
    return rows


def _arranged(parts: list[list[pa.Table]], places: Places) -> pa.Table:
    """The rows of all parts, of which each is told its place in the result; the parts are used up."""
    whole = pa.concat_tables([part for each in parts for part in each])
    parts.clear()
    if (places[1:] > places[:-1]).all():
        return whole
    indices = np.empty(len(places), np.int64)
    indices[places] = np.arange(len(places))
    chosen, schema, columns = numbers(indices), whole.schema, list(whole.itercolumns())
    del whole
    for number, column in enumerate(columns):  # so that only one column is there twice at a time
        columns[number] = pa.chunked_array([column.combine_chunks().take(chosen)])
        if number % EVERY == 0:
            give_back()
    return pa.Table.from_arrays(columns, schema=schema)


def _blocks(file: pq.ParquetFile, rows: int) -> Generator[pa.RecordBatch]:
    """Up to so many rows at a time; Arrow cannot give numbers of two row groups' dictionaries together."""
    for group in range(file.num_row_groups):
        yield from file.iter_batches(batch_size=rows, row_groups=[group], use_threads=False)


class _Stream:
    """A file's rows, block by block."""

    def __init__(self, path: Path, file: pq.ParquetFile, schema: pa.Schema, budget: int) -> None:
        meta = file.metadata
        size = sum(meta.row_group(group).total_byte_size for group in range(meta.num_row_groups))
        self.total = meta.num_rows
        # in memory, numbers and flags take more than in a file
        rows = budget * max(self.total, 1) // max(2 * size, 1)
        self._path, self._file, self._schema = path, file, schema
        self._blocks = _blocks(file, min(max(rows, 16), GROUP_ROWS))
        self._left = self.total
        self._rows: pa.Table | None = None
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
        """The next rows, which are then gone, and with the last of them the file's decoders."""
        taken = []
        self._left -= count
        while count:
            rows = self._rows or self._filled()
            taken.append(rows.slice(0, count))
            self._rows = rows.slice(count) if count < len(rows) else None
            count -= len(taken[-1])
        if not self._left:
            self._blocks.close()
        return taken

    def _filled(self) -> pa.Table:
        try:
            block = next(self._blocks)
        except (pa.ArrowException, OSError, StopIteration) as error:
            raise damaged(self._path) from error
        rows = conform(pa.Table.from_batches([block]), self._schema)
        self.row_bytes = rows.nbytes // max(len(rows), 1)
        return rows
