"""Where content rests: one small interface, one file an adapter."""

from __future__ import annotations

from pathlib import Path

from hilum.errors import UsageError
from hilum.kernel.address import is_local, local_path
from hilum.storage.interface import ObjectMissing, ObjectStat, Storage, StorageFull

__all__ = ["ObjectMissing", "ObjectStat", "Storage", "StorageFull", "open_storage"]


def open_storage(uri: str) -> Storage:
    """The storage at ``uri``; adapters are imported only when asked for."""
    if is_local(uri):
        from hilum.storage.local import LocalStorage

        return LocalStorage(Path(local_path(uri)))
    scheme = uri.partition(":")[0]
    raise UsageError(f"no storage adapter for {scheme!r} addresses", hint="use a file:// address")
