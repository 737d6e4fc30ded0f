"""How Hilum writes and opens Parquet files: compressed with Zstandard, in row groups small enough to merge many, each
page with a checksum, so that a compaction never carries damage on.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from hilum.warehouse.files import damaged
from hilum.warehouse.interface import WarehouseDamaged

GROUP_ROWS = 1 << 17
GROUP_BYTES = 24 << 20
"""A row group ends at whichever comes first; bytes as they are in memory, where a CT's row takes 2 kB. Groups are as
large as memory allows: to open a file is to read a description of each column of each group."""
PAGE_BYTES = 64 << 10
"""Pages and dictionaries: a merge holds one of each for every column of every file."""
BUFFER_BYTES = 8 << 10

pa.set_memory_pool(pa.system_memory_pool())
"""Only writers come here, and they live long: Arrow's own pools keep what they once had (a third more, measured)."""


def writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        data_page_size=PAGE_BYTES,
        dictionary_pagesize_limit=PAGE_BYTES,
        write_page_checksum=True,
        store_schema=False,  # it says what Parquet's own does, and takes a third of the description
    )


def write(path: Path, rows: pa.Table) -> None:
    """Write a table to a new file."""
    with writer(path, rows.schema) as out:
        out.write_table(rows, row_group_size=GROUP_ROWS)


def open_file(path: Path, numbered: Iterable[str] = ()) -> pq.ParquetFile:
    """Open a file to be read in a stream.

    Args:
        numbered: paths of columns and fields whose text is to come as a dictionary.

    Raises:
        WarehouseDamaged: it is no Parquet file, or is cut off.
    """
    try:
        return pq.ParquetFile(
            path,
            read_dictionary=list(numbered),
            buffer_size=BUFFER_BYTES,
            pre_buffer=False,
            page_checksum_verification=True,
        )
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise damaged(path) from error


def first_damaged(paths: Iterable[Path]) -> Path | None:
    """The first of these files that cannot be read from its beginning to its end."""
    return next((path for path in paths if not is_sound(path)), None)


def is_sound(path: Path, *, deep: bool = True) -> bool:
    """Whether a file can be read from its beginning to its end, or (not ``deep``) opened; one that is gone is no
    fault of it."""
    try:
        with open_file(path) as file:
            for _ in file.iter_batches() if deep else ():
                pass
    except FileNotFoundError:
        return True
    except (WarehouseDamaged, pa.ArrowException, OSError):
        return False
    return True
