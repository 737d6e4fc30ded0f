"""What stands before BigQuery's emulator in tests: it adds what the emulator lacks, makes faults, and keeps Google's
documented rules.

Added: columns that are added to a table can be used, and so can its default stream afterwards (the emulator takes
the new schema and goes on with the old table). For that the table and the views over it are made anew, rows kept.
Rules: a request of AppendRows has 10 MB at most, the first one of a connection says where to and in which form,
requests to the default stream have no offset, and rows have no field that the table has not; tables are made and
widened as beds/bigquery_rules.py says. Faults are those that
Google documents, in the client's own types: errors of REST, of gRPC, and rows that are refused.
"""

from __future__ import annotations

import json
import re
import threading
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from google.cloud.bigquery_storage_v1 import types
from google.rpc import status_pb2

from beds.bigquery_rules import broken_by, broken_by_change

SERVICE = "google.cloud.bigquery.storage.v1.BigQueryWrite"
MOST = 10_000_000
QUOTED = re.compile(rb'"v": ?"\\"([-\d:.]+)\\""')
"""A date or time in a record, which the emulator quotes twice."""
TIME = re.compile(rb'("v": ?"\d\d:\d\d:\d\d\.)(\d{1,5})"')
"""A time that the emulator writes without the zeros at its end. Google's client can read neither."""
Fault = Callable[[], Any]


class Door:
    """Leads to an emulator; ``host`` and ``grpc`` as of :class:`beds.bigquery.BigQuery`.

    Attributes:
        rest_faults: what the next requests get instead of an answer: status and Google's reason.
        append_faults: what the next appends get: a gRPC status code, or a function from request to answer.
        requests: method, path and body of every request; appends: every request of AppendRows.
    """

    def __init__(self, host: str, grpc_address: str) -> None:
        self._inside = host
        self.rest_faults: deque[tuple[int, str]] = deque()
        self.append_faults: deque[grpc.StatusCode | Callable[[Any], Any]] = deque()
        self.requests: list[tuple[str, str, Any]] = []
        self.appends: list[Any] = []
        self._streams: dict[str, str] = {}
        self._channel = grpc.insecure_channel(grpc_address)
        door = self

        class Visitor(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                status, kind, answer = door._rest(
                    self.command, self.path, self.rfile.read(size), self.headers
                )
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _pass  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Visitor)
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        self.host = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._grpc = grpc.server(ThreadPoolExecutor(32))
        method = {
            "GetWriteStream": grpc.unary_unary_rpc_method_handler(self._stream),
            "AppendRows": grpc.stream_stream_rpc_method_handler(self._append),
        }
        self._grpc.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, method),))
        self.grpc = f"127.0.0.1:{self._grpc.add_insecure_port('127.0.0.1:0')}"
        self._grpc.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._grpc.stop(None)
        self._channel.close()

    # --- REST

    def _rest(self, method: str, path: str, body: bytes, headers: Any) -> tuple[int, str, bytes]:
        document = json.loads(body) if body and "json" in headers.get("Content-Type", "") else None
        self.requests.append((method, path, document))
        if self.rest_faults:
            status, reason = self.rest_faults.popleft()
            return status, "application/json", _error(status, reason)
        if "/tables" in path and document and (broken := self._broken(method, path, document)):
            return 400, "application/json", _error(400, "invalid", "; ".join(broken))
        if method in ("PATCH", "PUT") and "/tables/" in path and document and "schema" in document:
            self._widen(path.partition("?")[0], document)
        kept = {name: headers[name] for name in ("Content-Type", "Accept") if headers.get(name)}
        status, kind, answer = self._inner(method, path, body, kept)
        answer = QUOTED.sub(rb'"v":"\1"', answer)
        return status, kind, TIME.sub(lambda found: found[1] + found[2].ljust(6, b"0") + b'"', answer)

    def _broken(self, method: str, path: str, document: Any) -> list[str]:
        if method == "POST" and path.partition("?")[0].endswith("/tables"):
            return broken_by(document)
        return (
            broken_by_change(self._json("GET", path.partition("?")[0]), document) if method == "PATCH" else []
        )

    def _inner(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, str, bytes]:
        request = urllib.request.Request(
            self._inside + path, data=body or None, method=method, headers=headers
        )
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, answer.headers.get("Content-Type", ""), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers.get("Content-Type", ""), error.read()

    def _json(self, method: str, path: str, document: Any = None) -> Any:
        body = b"" if document is None else json.dumps(document).encode()
        status, _, answer = self._inner(method, path, body, {"Content-Type": "application/json"})
        if status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.decode()}")
        return json.loads(answer) if answer.strip() else None

    def _widen(self, path: str, document: Any) -> None:
        """Make a table anew with more columns, and the views that may read it."""
        before = self._json("GET", path)
        reference = before["tableReference"]
        fields = before["schema"]["fields"]
        if fields == document["schema"]["fields"]:
            return
        tables = path.rpartition("/")[0]
        kept = f"{reference['projectId']}.{reference['datasetId']}"
        name, old = reference["tableId"], reference["tableId"] + "_before"
        columns = ", ".join(f"`{field['name']}`" for field in fields)
        self._query(reference, f"CREATE TABLE `{kept}.{old}` AS SELECT * FROM `{kept}.{name}`")
        listed = [each["tableReference"]["tableId"] for each in self._json("GET", tables)["tables"]]
        views = [self._json("GET", f"{tables}/{each}") for each in listed]
        views = [each for each in views if each.get("view")]
        for view in reversed(views):
            self._json("DELETE", f"{tables}/{view['tableReference']['tableId']}")
        self._json("DELETE", path)
        made = {key: before[key] for key in ("tableReference", "description") if key in before}
        self._json("POST", tables, {**made, **document, "tableReference": reference})
        wanted = {field["name"]: field for field in document["schema"]["fields"]}
        filled = ", ".join(_widened(field, wanted[field["name"]]) for field in fields)
        self._query(reference, f"INSERT INTO `{kept}.{name}` ({columns}) SELECT {filled} FROM `{kept}.{old}`")
        self._json("DELETE", f"{tables}/{old}")
        for view in sorted(views, key=lambda each: int(each.get("creationTime") or 0)):
            parts = ("tableReference", "view", "description", "labels")
            self._json("POST", tables, {key: view[key] for key in parts if key in view})
        self._streams = {
            stream: at for stream, at in self._streams.items() if f"/tables/{name}/" not in stream
        }

    def _query(self, reference: Any, sql: str) -> None:
        path = f"/bigquery/v2/projects/{reference['projectId']}/queries"
        self._json("POST", path, {"query": sql, "useLegacySql": False})

    # --- the Storage Write API

    def _stream(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        name = types.GetWriteStreamRequest.deserialize(request).name
        return types.WriteStream.serialize(types.WriteStream(name=name, type_="COMMITTED"))

    def _behind(self, name: str) -> str:
        """A stream of the emulator's that stands for a default stream."""
        if name not in self._streams:
            ask = self._channel.unary_unary(f"/{SERVICE}/CreateWriteStream")
            wanted = types.CreateWriteStreamRequest(
                parent=name.rpartition("/streams/")[0], write_stream=types.WriteStream(type_="COMMITTED")
            )
            made = types.WriteStream.deserialize(ask(types.CreateWriteStreamRequest.serialize(wanted)))
            self._streams[name] = made.name
        return self._streams[name]

    def _append(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        first: types.AppendRowsRequest | None = None
        for data in requests:
            request = types.AppendRowsRequest.deserialize(data)
            self.appends.append(request)
            if self.append_faults:
                fault = self.append_faults.popleft()
                if isinstance(fault, grpc.StatusCode):
                    context.abort(fault, "as the test wants it")
                answer = fault(request)
                if answer is not None:
                    first = first or request
                    yield types.AppendRowsResponse.serialize(answer)
                    continue
            first = first or request
            yield self._taken(data, request, first)

    def _taken(self, data: bytes, request: types.AppendRowsRequest, first: types.AppendRowsRequest) -> bytes:
        if problem := broken_rule(data, request, first):
            error = status_pb2.Status(code=3, message=problem)
            return types.AppendRowsResponse.serialize(types.AppendRowsResponse(error=error))
        inner = types.AppendRowsRequest(
            write_stream=self._behind(first.write_stream),
            proto_rows=types.AppendRowsRequest.ProtoData(
                writer_schema=first.proto_rows.writer_schema, rows=request.proto_rows.rows
            ),
        )
        call = self._channel.stream_stream(f"/{SERVICE}/AppendRows")
        answer: bytes = next(call(iter([types.AppendRowsRequest.serialize(inner)])))
        found = types.AppendRowsResponse.deserialize(answer)
        found.write_stream = first.write_stream
        if found.append_result:
            found.append_result = types.AppendRowsResponse.AppendResult()  # a default stream tells no offset
        return types.AppendRowsResponse.serialize(found)


def _widened(before: Any, after: Any) -> str:
    """A column as it is read from the table before, with the fields that its record has now."""
    name = f"`{before['name']}`"
    if before.get("fields") == after.get("fields"):
        return name
    there = {field["name"] for field in before["fields"]}

    def parts(of: str) -> str:
        return ", ".join(
            f"{of}.`{each['name']}`" if each["name"] in there else f"{_nothing(each)} AS `{each['name']}`"
            for each in after["fields"]
        )

    if before.get("mode") == "REPEATED":
        return f"ARRAY(SELECT AS STRUCT {parts('item')} FROM UNNEST({name}) AS item)"
    return f"IF({name} IS NULL, NULL, STRUCT({parts(name)}))"


def _nothing(field: Any) -> str:
    kind = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}.get(field["type"], field["type"])
    return f"CAST([] AS ARRAY<{kind}>)" if field.get("mode") == "REPEATED" else f"CAST(NULL AS {kind})"


def broken_rule(data: bytes, request: Any, first: Any) -> str:
    """What Google's documentation does not allow of a request to a default stream; empty if nothing."""
    if len(data) > MOST:
        return "a request has 10 MB at most"
    if not first.write_stream.endswith("/streams/_default"):
        return "the first request of a connection names its stream"
    if not first.proto_rows.writer_schema.proto_descriptor.field:
        return "the first request of a connection has the writer's schema"
    if "offset" in request:
        return "a default stream takes no offset"
    return ""


def refused_rows(*places: int, code: str = "FIELDS_ERROR") -> Callable[[Any], Any]:
    """An answer by which these rows of a request are refused, and with them the whole request."""

    def answer(_: Any) -> Any:
        errors = [types.RowError(index=place, code=code, message="value MARKER") for place in places]
        error = status_pb2.Status(code=3, message="rows with MARKER")
        return types.AppendRowsResponse(error=error, row_errors=errors)

    return answer


def failed(code: grpc.StatusCode) -> Callable[[Any], Any]:
    """An answer that nothing of a request was written, for this reason; the connection stays."""
    error = status_pb2.Status(code=code.value[0], message="as the test wants it")
    return lambda _: types.AppendRowsResponse(error=error)


def unknown_columns(_: Any) -> Any:
    """An answer of a stream that does not know columns yet which the table has: StorageError's documentation."""
    code = types.StorageError.StorageErrorCode.SCHEMA_MISMATCH_EXTRA_FIELDS
    error = status_pb2.Status(code=3, message="extra fields")
    error.details.add().Pack(types.StorageError.pb(types.StorageError(code=code)))
    return types.AppendRowsResponse(error=error)


def _error(status: int, reason: str, message: str = "") -> bytes:
    told = {"code": status, "message": message or reason, "errors": [{"reason": reason, "message": reason}]}
    return json.dumps({"error": told}).encode()
