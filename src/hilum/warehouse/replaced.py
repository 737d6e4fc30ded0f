"""Which rows are not the newest of their id any more, found once, so that a query need not look for them each time.

Few rows are ever replaced, but to be sure of it a query would have to compare a million ids. So compaction keeps a
list beside a table's files: the positions of all rows that a newer one replaced, as of a certain batch. A query
leaves those out, and compares ids with the batches after it only. The list follows from the table's files: it may be
lost at any time, and is made anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from hilum.warehouse.encode import integers, numbers
from hilum.warehouse.files import DataFile, Replaced, damaged, listing, publish, replaced_lists
from hilum.warehouse.parquet import open_file, write
from hilum.warehouse.tables import BATCH, KEY, POSITION, SEQ

Numbers = np.ndarray[Any, np.dtype[np.int64]]


def find_replaced(folder: Path) -> None:
    """Bring the list of a table's replaced rows up to its newest batch.

    Raises:
        WarehouseDamaged: a file cannot be read.
    """
    files = listing(folder)[0]
    known = next(iter(replaced_lists(folder)), None)
    if not files or (known is not None and known.last == files[-1].last):
        return
    found = _found(files, known) or _found(files, None)
    if found is not None:
        rows, positions = found
        made = Replaced(folder, files[-1].last, rows, len(positions))
        publish(made.path, partial(write, rows=pa.table({POSITION: numbers(positions)})))


def _found(files: Sequence[DataFile], known: Replaced | None) -> tuple[int, Numbers] | None:
    """How many rows there are, and which of them were replaced; None where it is not as the list has it: files have
    gone, and what their rows replaced counts again."""
    last = known.last if known else 0
    keys, positions = _newer(files, last)
    order = np.lexsort((positions, keys))
    keys, positions = keys[order], positions[order]
    replaced = [positions[:-1][keys[:-1] == keys[1:]]]
    older = 0
    for block in _blocks([file for file in files if file.first <= last]):
        is_older = block[BATCH] <= last
        older += int(is_older.sum())
        if len(keys):
            places = np.minimum(np.searchsorted(keys, block[KEY]), len(keys) - 1)
            replaced.append(_positions(block)[is_older & (keys[places] == block[KEY])])
    if known is not None:
        if older != known.rows:
            return None
        replaced += [block[POSITION] for block in _read(known.path, [POSITION])]
    return older + len(keys), np.unique(np.concatenate(replaced))


def _newer(files: Sequence[DataFile], last: int) -> tuple[Numbers, Numbers]:
    """Keys and positions of the rows after batch ``last``."""
    keys, positions = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for block in _blocks([file for file in files if file.last > last]):
        is_newer = block[BATCH] > last
        keys.append(block[KEY][is_newer])
        positions.append(_positions(block)[is_newer])
    return np.concatenate(keys), np.concatenate(positions)


def _positions(block: dict[str, Numbers]) -> Numbers:
    return (block[BATCH] << 32) + block[SEQ]


def _blocks(files: Sequence[DataFile]) -> Iterator[dict[str, Numbers]]:
    for file in files:
        yield from _read(file.path, [KEY, BATCH, SEQ])


def _read(path: Path, columns: list[str]) -> Iterator[dict[str, Numbers]]:
    with open_file(path) as file:
        try:
            for block in file.iter_batches(columns=columns, use_threads=False):
                yield {name: integers(block.column(name)) for name in columns}
        except (pa.ArrowException, OSError) as error:
            raise damaged(path) from error
