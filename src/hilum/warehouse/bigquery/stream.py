"""Appending to a table by the Storage Write API's default stream: rows are there when this returns, at least once.

The default stream needs no bookkeeping of offsets and no quota of streams, and Google names it first for streaming;
the price is that a row may come twice after a lost answer. It has its batch and place in it, so views show it once.
One connection a table is kept open, as Google asks; when it breaks, what was not confirmed is sent again. When the
client's time is over (:meth:`DatasetClient.within`) the call is ended, answered or not.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from hilum.kernel.retry import backoff_seconds
from hilum.warehouse.bigquery.client import DatasetClient
from hilum.warehouse.bigquery.encode import Encoder
from hilum.warehouse.bigquery.faults import RequestRefused, meaning, unavailable
from hilum.warehouse.interface import WarehouseUnavailable

if TYPE_CHECKING:
    from google.cloud.bigquery_storage_v1.types import AppendRowsRequest, AppendRowsResponse

MOST_BYTES = 9_000_000
"""Of one request's rows; the limit of a request is 10 MB ("AppendRows request size"), its descriptor included."""
TRIES = 5
FIRST_WAIT = 1.0
"""Seconds before the second try: Google asks for exponential backoff. A new column is known within minutes."""
CONNECTED = 600.0
"""Seconds that a connection is used for."""
EXTRA_FIELDS = "SCHEMA_MISMATCH_EXTRA_FIELDS"
"""A StorageError: the stream does not know columns yet that the table has already."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that BigQuery does not take, by its place among those that were sent; ``code`` is a RowError's."""

    place: int
    code: str


class TableStream:
    """The default stream of a table, for rows of one schema."""

    def __init__(self, client: DatasetClient, table: str, encoder: Encoder) -> None:
        self._client = client
        self._encoder = encoder
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
                wait = backoff_seconds(attempt, base=FIRST_WAIT)
                if attempt == TRIES or wait >= self._client.left():
                    raise
            except BaseException:
                self.close()
                raise
            time.sleep(wait)
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
        client.writing.get_write_stream(
            GetWriteStreamRequest(name=stream), retry=None, timeout=min(client.left(), CONNECTED)
        )
        self._client, self._stream, self._encoder = client, stream, encoder
        self._requests: SimpleQueue[AppendRowsRequest | None] = SimpleQueue()
        self._call: Any = None

    def ask(self, request: AppendRowsRequest) -> AppendRowsResponse:
        """The answer to a request; the first one of a connection says where to and in which form."""
        from google.api_core.exceptions import from_grpc_error
        from google.cloud.bigquery_storage_v1.types import ProtoSchema
        from grpc import RpcError

        if self._call is None:
            request.write_stream = self._stream
            request.proto_rows.writer_schema = ProtoSchema(proto_descriptor=self._encoder.descriptor)
            # the client's own method would wait for the first answer, and could not be stopped
            append: Any = self._client.writing.transport.append_rows
            self._call = append(
                iter(self._requests.get, None),
                metadata=(("x-goog-request-params", f"write_stream={self._stream}"),),
                timeout=CONNECTED,
            )
        self._requests.put(request)
        end = threading.Timer(min(self._client.left(), CONNECTED), self._call.cancel)
        end.daemon = True
        end.start()
        try:
            answer: AppendRowsResponse = next(self._call)
        except StopIteration:
            raise ConnectionError("the stream was closed") from None
        except RpcError as error:
            raise from_grpc_error(error) from None  # type: ignore[no-untyped-call]
        finally:
            end.cancel()
        return answer

    def close(self) -> None:
        """Tell both sides that nothing more comes, be it in the middle of a request."""
        self._requests.put(None)
        if self._call is not None:
            self._call.cancel()


def _meaning_of(error: Any) -> WarehouseUnavailable | RequestRefused:
    from google.cloud.bigquery_storage_v1.types import StorageError

    names = []
    for detail in error.details:
        found = StorageError()
        if detail.Is(StorageError.pb(found).DESCRIPTOR):
            detail.Unpack(StorageError.pb(found))
            names.append(StorageError.StorageErrorCode(found.code).name)
    told = ", ".join(names) or str(error.code)
    if EXTRA_FIELDS in names:
        return WarehouseUnavailable(f"BigQuery does not take rows for now: {told}")
    return unavailable(error.code, told) or RequestRefused(told, "", "")
