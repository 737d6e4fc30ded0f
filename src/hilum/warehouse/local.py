"""The warehouse in a folder: Parquet files, written by Arrow and read by DuckDB.

Readers need no server and no lock: they list the files and read them. One writer appends batches; one compaction at
a time merges files beside it. See :mod:`hilum.warehouse.files` for why a crash at any point does no harm.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hilum.errors import TerminalError
from hilum.kernel.clock import Clock, SystemClock
from hilum.kernel.memory import give_back
from hilum.model.arrival import RefusedRow
from hilum.warehouse.files import (
    SPILL,
    DataFile,
    batch_path,
    compact_path,
    listing,
    partial_files,
    publish,
    replaced_lists,
    short_name,
)
from hilum.warehouse.interface import Dialect, TableInfo, Warehouse, WarehouseDamaged
from hilum.warehouse.tables import BATCH, HEADERS, ROW_ID, TABLES, Table

if TYPE_CHECKING:
    import pyarrow as pa

    from hilum.warehouse.headers import HeaderReader
    from hilum.warehouse.known import KnownFiles

GRACE = 60.0
"""Seconds that a file stays after a compaction has replaced it, for queries that listed it before."""
ABANDONED = 86_400.0
"""Seconds after which what a query put on disk for want of memory is known to be nobody's."""


class LocalWarehouse(Warehouse):
    """Tables as folders of Parquet files below ``root``, which is made by the first append."""

    def __init__(self, root: Path, *, clock: Clock | None = None, grace: float = GRACE) -> None:
        self.root = root.absolute()
        self._clock = clock or SystemClock()
        self._grace = grace

    def append(
        self, batch: int, rows: Mapping[str, Iterable[Mapping[str, Any]]], headers: bytes = b""
    ) -> list[RefusedRow]:
        from hilum.warehouse.encode import encode, keep_books
        from hilum.warehouse.parquet import write
        from hilum.warehouse.schemas import shape_of

        filled = {name: items for name, each in rows.items() if (items := list(each))}
        if unknown := sorted(filled.keys() - TABLES.keys() | filled.keys() & {HEADERS}):
            raise TerminalError(f"the warehouse takes no rows of {unknown[0]}", reason="row-shape")
        encoded = {
            name: encode(TABLES[name], items)
            for name, items in filled.items()
            if not self._is_compacted(TABLES[name], batch)
        }
        if headers and not self._is_compacted(TABLES[HEADERS], batch):
            encoded[HEADERS] = self._headers.read(headers)
        for name, table in encoded.items():
            written = keep_books(TABLES[name], batch, table)
            shape = shape_of(TABLES[name], written.schema) if name == HEADERS else ""
            target = batch_path(self.root / name, batch, shape)
            publish(target, partial(write, rows=written))
            for same in target.parent.glob(f"{batch_path(target.parent, batch).stem}*"):
                if same != target:  # the same rows, as another version of Hilum wrote them
                    same.unlink(missing_ok=True)
        return []

    @cached_property
    def _headers(self) -> HeaderReader:
        from hilum.warehouse.headers import HeaderReader

        return HeaderReader(TABLES[HEADERS])

    def query(self, sql: str, parameters: Sequence[Any] = (), *, dialect: Dialect | None = None) -> pa.Table:
        from hilum.warehouse.query import run_query

        return run_query(self.root, sql, parameters, dialect)

    def known_files(self, *, hashed: bool) -> KnownFiles:
        from hilum.warehouse.known import DIGESTED, FINGERPRINT, KnownFiles

        if not listing(self.root / HEADERS)[0]:  # DuckDB takes 75 MB as soon as it is asked anything
            return KnownFiles()
        where = f"WHERE {DIGESTED}" if hashed else ""
        found = self.query(f"SELECT {FINGERPRINT} AS known FROM all_{HEADERS} {where}", dialect="duckdb")
        return KnownFiles(found.column("known"))

    def tables(self) -> list[TableInfo]:
        from hilum.warehouse.views import DESCRIBED

        counts = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM {name}" for name in DESCRIBED)
        rows = self.query(f"SELECT * FROM ({counts}) AS counted(name, number)").to_pydict()
        counted = dict(zip(rows["name"], rows["number"], strict=True))
        return [
            TableInfo(name, text, counted[name], sum(_size(file) for file in listing(self.root / name)[0]))
            for name, text in DESCRIBED.items()
        ]

    def compact(self) -> int:
        if not self.root.is_dir():
            return 0
        from hilum.warehouse.replaced import find_replaced

        gone = 0
        fault: WarehouseDamaged | None = None
        for spill in self.root.glob(f"{SPILL}*"):
            if self._age(spill) > ABANDONED and not _is_alive(spill):
                shutil.rmtree(spill, ignore_errors=True)
        with self._alone() as alone:
            for table in TABLES.values() if alone else ():
                self._sweep(self.root / table.name)
                try:
                    gone += self._compact(table)
                    if table.key == ROW_ID:
                        find_replaced(self.root / table.name)
                        give_back()
                except WarehouseDamaged as error:
                    fault = fault or error
        if fault is not None:
            raise fault
        return gone

    def check(self, *, deep: bool = False) -> list[str]:
        from hilum.warehouse.parquet import is_sound

        files = [file.path for name in TABLES for file in listing(self.root / name)[0]]
        return [short_name(path) for path in files if not is_sound(path, deep=deep)]

    def _compact(self, table: Table) -> int:
        from hilum.warehouse.compact import choose, merge, merged_schema
        from hilum.warehouse.schemas import shape_of

        folder = self.root / table.name
        gone = 0
        while groups := choose(listing(folder)[0]):
            for files in groups:
                schema = merged_schema(table, files)
                shape = shape_of(table, schema) if table.name == HEADERS else ""
                target = compact_path(folder, files[0].first, files[-1].last, shape)
                publish(target, partial(merge, table, files, schema))
                give_back()
                gone += len(files) - 1
        return gone

    def _sweep(self, folder: Path) -> None:
        """Take away what crashes left and what compactions replaced, once no query can be reading it."""
        covered = [(file.path, by.path) for file, by in listing(folder)[1]]
        lists = [each.path for each in replaced_lists(folder)]
        covered += [(path, lists[0]) for path in lists[1:]]
        for path, since in [*covered, *((path, path) for path in partial_files(folder))]:
            with suppress(FileNotFoundError):
                if self._age(since) > self._grace:
                    path.unlink()

    def _age(self, path: Path) -> float:
        return self._clock.now().timestamp() - path.stat().st_mtime

    def _is_compacted(self, table: Table, batch: int) -> bool:
        """Whether the batch was appended before and is part of a larger file by now.

        Raises:
            TerminalError: ``batch-out-of-order``, where newer rows are there already. The usual cause is a ledger
                that was begun anew beside an older warehouse: its batches would take the place of older ones.
        """
        files = listing(self.root / table.name)[0]
        newest = max((file.first for file in files), default=0)
        if newest > batch and not any(f.compacted and f.first <= batch <= f.last for f in files):
            raise TerminalError(
                f"batch {batch} comes after {newest}: this warehouse belongs to another ledger",
                reason="batch-out-of-order",
                hint="restore the ledger that it was written from, or move warehouse/ away and run again",
            )
        for file in files:
            if file.compacted and file.first <= batch <= file.last:
                if batch in _batches(file.path):
                    return True
                raise TerminalError(
                    f"batch {batch} comes too late: {short_name(file.path)} was compacted without it",
                    reason="batch-out-of-order",
                    hint="batches are to be appended one after the other",
                )
        return False

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """Whether no other process compacts this warehouse; the lock goes with the process."""
        handle = os.open(self.root / ".compacting", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield True
        except BlockingIOError:
            yield False
        finally:
            os.close(handle)


def _is_alive(spill: Path) -> bool:
    """Whether the process that this folder is named by may still use it."""
    try:
        os.kill(int(spill.name.removeprefix(SPILL).partition("-")[0]), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        pass
    return True


def _batches(path: Path) -> set[int | None]:
    from hilum.warehouse.parquet import open_file

    with open_file(path) as file:
        return set(file.read([BATCH]).column(BATCH).unique().to_pylist())


def _size(file: DataFile) -> int:
    try:
        return file.path.stat().st_size
    except FileNotFoundError:
        return 0
