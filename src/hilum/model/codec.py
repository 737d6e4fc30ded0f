"""Values to plain JSON and back, so that what crosses a process border or rests in storage has one form.

Decoding reads the dataclass's own type hints; an unknown key is an error, a missing one takes its default.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def to_json(value: Any) -> Any:
    """A value of the model as plain JSON (dict, list, str, int, float, bool, None)."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    return value


def from_json(kind: type[T], data: Any) -> T:
    """The value of type ``kind`` that :func:`to_json` made ``data`` of; ValueError if it cannot be."""
    result: T = _decode(kind, data)
    return result


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _decode(kind: Any, data: Any) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        if data is None:
            return None
        choices = [choice for choice in get_args(kind) if choice is not type(None)]
        return _decode(choices[0], data) if len(choices) == 1 else data
    if origin is tuple:
        return tuple(_decode(get_args(kind)[0], item) for item in data)
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return {key: _decode(get_args(kind)[1], item) for key, item in data.items()}
    if isinstance(kind, type) and is_dataclass(kind):
        return _decode_dataclass(kind, data)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(data)
    if kind is datetime:
        return datetime.fromisoformat(data)
    return data


def _decode_dataclass(kind: type, data: Any) -> Any:
    hints = _hints(kind)
    known = {field.name: field for field in fields(kind)}
    if unknown := sorted(set(data) - set(known)):
        raise ValueError(f"{kind.__name__} has no field {unknown[0]!r}")
    for name, field in known.items():
        if name not in data and field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"{kind.__name__} lacks its field {name!r}")
    return kind(**{name: _decode(hints[name], item) for name, item in data.items()})
