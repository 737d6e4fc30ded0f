"""Rows to protocol buffers, which the Storage Write API takes; the message type is made from the table's schema.

Field types are those of "Storage Write API: data type conversions": DATE as days and TIMESTAMP as microseconds since
1970, TIME as its literal, RECORD as a nested message.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hilum.warehouse.bigquery.schema import BEYOND, Field
from hilum.warehouse.encode import encodable, misfit, moment_of

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import DescriptorProto

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
_TYPES = {
    "STRING": "TYPE_STRING",
    "INTEGER": "TYPE_INT64",
    "FLOAT": "TYPE_DOUBLE",
    "BOOLEAN": "TYPE_BOOL",
    "DATE": "TYPE_INT32",
    "TIME": "TYPE_STRING",
    "TIMESTAMP": "TYPE_INT64",
}

Row = dict[str, Any]
Change = Callable[[Any], Any]


class Encoder:
    """Rows of one schema to messages.

    Attributes:
        descriptor: the message type, as AppendRows wants it told.
    """

    def __init__(self, table: str, schema: Sequence[Field]) -> None:
        self._table = table
        self._schema = schema
        self._changes = _changes(schema)
        self.descriptor = _descriptor("Row", schema)
        self._message = _message_class(self.descriptor)

    def encode(self, row: Mapping[str, Any]) -> bytes:
        """A row as a message; its values are those of :class:`hilum.dicom.columns.Column`.

        Raises:
            TerminalError: ``row-shape``: it has a column that the schema has not, or a value of another type.
        """
        try:
            changed = _changed(row, self._changes)
            try:
                message = self._message(**changed)
            except (TypeError, ValueError):
                message = self._message(**_scrubbed(changed))
            return bytes(message.SerializeToString())
        except (TypeError, ValueError, AttributeError, OverflowError):
            raise misfit(f"a value of {self._table} is not of its column's type") from None


def split(row: Row, schema: Sequence[Field]) -> Row:
    """The row as far as the schema has columns for it; everything else in :data:`BEYOND`, by path.

    A path is keywords and places parted by dots, such as ``ContentSequence.0.ConceptCodeSequence``.
    """
    beyond: Row = {}
    kept = _split(row, _tree(schema), "", beyond)
    if beyond:
        kept[BEYOND] = json.dumps(beyond, ensure_ascii=False, separators=(",", ":"))
    return kept


def _tree(schema: Iterable[Field]) -> dict[str, Any]:
    return {field["name"]: _tree(field["fields"]) if "fields" in field else None for field in schema}


def _split(row: Row, tree: Mapping[str, Any], path: str, beyond: Row) -> Row:
    kept: Row = {}
    for name, value in row.items():
        if name not in tree:
            if value is not None and value != []:
                beyond[path + name] = value
        elif isinstance(value, dict) and tree[name] is not None:
            kept[name] = _split(value, tree[name], f"{path}{name}.", beyond)
        elif isinstance(value, list) and tree[name] is not None:
            kept[name] = [
                _split(item, tree[name], f"{path}{name}.{place}.", beyond) for place, item in enumerate(value)
            ]
        else:
            kept[name] = value
    return kept


def _changes(schema: Iterable[Field]) -> dict[str, Change]:
    """What to do with the values of columns that are not taken as they are."""
    found: dict[str, Change] = {}
    for field in schema:
        change = _CHANGES.get(field["type"])
        if field["type"] == "RECORD" and (inner := _changes(field["fields"])):
            change = _inside(inner)
        if change is not None:
            found[field["name"]] = _each(change) if field["mode"] == "REPEATED" else change
    return found


def _inside(changes: dict[str, Change]) -> Change:
    return lambda record: _changed(record, changes)


def _each(change: Change) -> Change:
    return lambda values: [change(value) for value in values]


def _changed(row: Mapping[str, Any], changes: Mapping[str, Change]) -> Row:
    changed = dict(row)
    for name in changes.keys() & row.keys():
        if (value := row[name]) is not None:
            changed[name] = changes[name](value)
    return changed


def _time(microseconds: int) -> str:
    return (datetime.min + timedelta(microseconds=microseconds)).time().isoformat()


def _moment(text: str) -> int:
    return (moment_of(text) - EPOCH) // MICROSECOND


_CHANGES: dict[str, Change] = {"TIME": _time, "TIMESTAMP": _moment}


def _scrubbed(value: Any) -> Any:
    """Without nulls in lists, which BigQuery has not, and in an encoding."""
    if isinstance(value, dict):
        return {name: _scrubbed(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_scrubbed(item) for item in value if item is not None]
    return encodable(value)


def _descriptor(name: str, schema: Iterable[Field]) -> DescriptorProto:
    from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto

    message = DescriptorProto(name=name)
    for number, field in enumerate(schema, 1):
        label = "LABEL_REPEATED" if field["mode"] == "REPEATED" else "LABEL_OPTIONAL"
        made = message.field.add(
            name=field["name"], number=number, label=FieldDescriptorProto.Label.Value(label)
        )
        if field["type"] == "RECORD":
            inner = f"Record{number}"
            message.nested_type.append(_descriptor(inner, field["fields"]))
            made.type, made.type_name = FieldDescriptorProto.TYPE_MESSAGE, inner
        else:
            made.type = FieldDescriptorProto.Type.Value(_TYPES[field["type"]])
    return message


def _message_class(descriptor: DescriptorProto) -> Any:
    from google.protobuf.descriptor_pb2 import FileDescriptorProto
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message_factory import GetMessageClass

    file = FileDescriptorProto(name="row.proto", package="hilum", syntax="proto2", message_type=[descriptor])
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("hilum.Row"))
