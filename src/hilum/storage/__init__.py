"""Where content rests: one small interface, one file an adapter."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from hilum.errors import UsageError
from hilum.storage.interface import ObjectMissing, ObjectStat, Storage, StorageFull

__all__ = ["ObjectMissing", "ObjectStat", "Storage", "StorageFull", "open_storage"]


def open_storage(uri: str) -> Storage:
    """The storage at ``uri``; adapters are imported only when asked for."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        from hilum.storage.local import LocalStorage

        return LocalStorage(Path(unquote(parts.path)))
    raise UsageError(f"no storage adapter for {parts.scheme!r} addresses", hint="use a file:// address")
