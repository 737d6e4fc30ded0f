"""Appending to a table by the Storage Write API's default stream: rows are there when this returns, at least once.

The default stream needs no bookkeeping of offsets and no quota of streams, and Google names it first for streaming;
the price is that a row may come twice after a lost answer. It has its batch and place in it, so views show it once.
One connection a table is kept open, as Google asks; when it breaks, what was not confirmed is sent again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from hilum.kernel.retry import backoff_seconds
from hilum.warehouse.bigquery.client import DatasetClient, RequestRefused, meaning
from hilum.warehouse.bigquery.encode import Encoder
from hilum.warehouse.interface import WarehouseUnavailable

if TYPE_CHECKING:
    from google.cloud.bigquery_storage_v1.types import AppendRowsRequest, AppendRowsResponse

MOST_BYTES = 9_000_000
"""Of one request's rows; the limit of a request is 10 MB ("AppendRows request size"), its descriptor included."""
TRIES = 5
FIRST_WAIT = 1.0
"""Seconds before the second try: Google asks for exponential backoff. A new column is known within minutes."""
TRANSIENT_CODES = frozenset((1, 4, 8, 10, 13, 14))
"""google.rpc.Code: cancelled, deadline exceeded, resource exhausted, aborted, internal, unavailable."""
CONNECTED = 600.0
"""Seconds that a connection is used for; so nobody waits longer for an answer that does not come."""
EXTRA_FIELDS = "SCHEMA_MISMATCH_EXTRA_FIELDS"
"""A StorageError: the stream does not know columns yet that the table has already."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that BigQuery does not take, by its place among those that were sent; ``code`` is a RowError's."""

    place: int
    code: str


class TableStream:
    """The default stream of a table, for rows of one schema."""

    def __init__(
        self,
        client: DatasetClient,
        table: str,
        encoder: Encoder,
        sleep: Callable[[float], None] = time.sleep,
        rng: random.Random | None = None,
    ) -> None:
        self._client = client
        self._encoder = encoder
        self._sleep = sleep
        self._rng = rng
        dataset = client.dataset
        self._name = f"projects/{dataset.project}/datasets/{dataset.name}/tables/{table}/streams/_default"
        self._connection: _Connection | None = None

    def append(self, rows: Sequence[bytes]) -> list[Refusal]:
        """Write messages; those that BigQuery refuses come back, all others are written.

        Raises:
            WarehouseUnavailable: not all could be written; some may have been.
        """
        refused = [Refusal(place, "ROW_TOO_LARGE") for place, row in enumerate(rows) if len(row) > MOST_BYTES]
        left = [place for place, row in enumerate(rows) if len(row) <= MOST_BYTES]
        while left:
            size, number = 0, 0
            while number < len(left) and (size := size + len(rows[left[number]])) <= MOST_BYTES:
                number += 1
            part, left = left[:number], left[number:]
            while part:
                errors = self._send([rows[place] for place in part])
                refused += [Refusal(part[index], code) for index, code in errors.items()]
                part = [place for index, place in enumerate(part) if index not in errors] if errors else []
        return refused

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _send(self, rows: Sequence[bytes]) -> dict[int, str]:
        """Rows in one request, which is taken or refused whole; which were to blame where it was refused."""
        for attempt in range(1, TRIES + 1):
            try:
                with meaning():
                    return self._try(rows)
            except WarehouseUnavailable:
                self.close()
                if attempt == TRIES:
                    raise
            except BaseException:
                self.close()
                raise
            self._sleep(backoff_seconds(attempt, base=FIRST_WAIT, rng=self._rng))
        raise AssertionError("the last try returns or raises")

    def _try(self, rows: Sequence[bytes]) -> dict[int, str]:
        from google.cloud.bigquery_storage_v1.types import AppendRowsRequest, ProtoRows, RowError

        if self._connection is None:
            self._connection = _Connection(self._client, self._name, self._encoder)
        data = AppendRowsRequest.ProtoData(rows=ProtoRows(serialized_rows=rows))
        answer = self._connection.ask(AppendRowsRequest(proto_rows=data))
        if answer.row_errors:
            return {each.index: RowError.RowErrorCode(each.code).name for each in answer.row_errors}
        if answer.error.code:
            raise _meaning_of(answer.error)
        return {}


class _Connection:
    """A call of AppendRows that stays open; each request has one answer, in order."""

    def __init__(self, client: DatasetClient, stream: str, encoder: Encoder) -> None:
        from google.cloud.bigquery_storage_v1.types import GetWriteStreamRequest

        # the emulator has a default stream only once somebody has asked about it; BigQuery does not mind
        client.writing.get_write_stream(GetWriteStreamRequest(name=stream))
        self._client, self._stream, self._encoder = client, stream, encoder
        self._requests: SimpleQueue[AppendRowsRequest | None] = SimpleQueue()
        self._answers: Iterator[AppendRowsResponse] | None = None

    def ask(self, request: AppendRowsRequest) -> AppendRowsResponse:
        """The answer to a request; the first one of a connection says where to and in which form."""
        from google.cloud.bigquery_storage_v1.types import ProtoSchema

        if self._answers is not None:
            self._requests.put(request)
            try:
                return next(self._answers)
            except StopIteration:
                raise ConnectionError("the stream was closed") from None
        request.write_stream = self._stream
        request.proto_rows.writer_schema = ProtoSchema(proto_descriptor=self._encoder.descriptor)
        self._requests.put(request)
        self._answers = iter(  # Google's client waits for the first answer here
            self._client.writing.append_rows(
                iter(self._requests.get, None),
                metadata=(("x-goog-request-params", f"write_stream={self._stream}"),),
                timeout=CONNECTED,
                retry=None,
            )
        )
        return next(self._answers)

    def close(self) -> None:
        self._requests.put(None)


def _meaning_of(error: Any) -> WarehouseUnavailable | RequestRefused:
    from google.cloud.bigquery_storage_v1.types import StorageError

    names = []
    for detail in error.details:
        told = StorageError()
        if detail.Is(StorageError.pb(told).DESCRIPTOR):
            detail.Unpack(StorageError.pb(told))
            names.append(StorageError.StorageErrorCode(told.code).name)
    if error.code in TRANSIENT_CODES or EXTRA_FIELDS in names:
        return WarehouseUnavailable(f"BigQuery does not take rows for now: {', '.join(names) or error.code}")
    return RequestRefused(error.code, ", ".join(names), "")
