"""Text that repeats, in memory as it is in files: each value once, and a number for every row.

Most of a header is the same in every slice of a series. Parquet has such a value once a chunk; Arrow, unless told
otherwise, copies it for every row, which makes ten times as much of it. A merge only moves rows about, so it has no
need of the copies: without them it takes half the memory, and less time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence, Set

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as kind

FEW_BYTES = 4
"""Of a value, on average, uncompressed: text of which a file has less than this for each row is told by numbers."""

_NUMBERED = pa.dictionary(pa.int32(), pa.string())


def repeated(files: Sequence[pq.FileMetaData]) -> list[set[str]]:
    """For each file the paths of its columns and fields whose text repeats throughout all of them."""
    size: Counter[str] = Counter()
    values: Counter[str] = Counter()
    held = [set(_texts(file, size, values)) for file in files]
    found = {path for path, count in values.items() if size[path] < FEW_BYTES * count}
    return [paths & found for paths in held]


def _texts(file: pq.FileMetaData, size: Counter[str], values: Counter[str]) -> Iterator[str]:
    """The paths of a file's text; its bytes and its values are added up."""
    for group in range(file.num_row_groups):
        described = file.row_group(group)
        for number in range(described.num_columns):
            column = described.column(number)
            if column.physical_type == "BYTE_ARRAY":
                path = column.path_in_schema
                size[path] += column.total_uncompressed_size
                values[path] += column.num_values
                yield path


def numbered(schema: pa.Schema, paths: Set[str]) -> pa.Schema:
    """The schema with the text at these paths as a dictionary."""
    return pa.schema([field.with_type(_type(field.type, field.name, paths)) for field in schema])


def _type(type_: pa.DataType, path: str, wanted: Set[str]) -> pa.DataType:
    if kind.is_list(type_):
        return pa.list_(_type(type_.value_type, f"{path}.list.element", wanted))
    if kind.is_struct(type_):
        return pa.struct([(field.name, _type(field.type, f"{path}.{field.name}", wanted)) for field in type_])
    return _NUMBERED if kind.is_string(type_) and path in wanted else type_
