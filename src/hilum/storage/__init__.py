"""Where content rests: one small interface, one file an adapter."""

from __future__ import annotations

from pathlib import Path

from hilum.errors import UsageError
from hilum.kernel.address import is_in_bucket, is_local, local_path
from hilum.storage.interface import CreationInDoubt, ObjectMissing, ObjectStat, Storage, StorageFull

__all__ = ["CreationInDoubt", "ObjectMissing", "ObjectStat", "Storage", "StorageFull", "open_storage"]


def open_storage(uri: str) -> Storage:
    """The storage at ``uri``; adapters are imported only when asked for."""
    if is_local(uri):
        from hilum.storage.local import LocalStorage

        return LocalStorage(Path(local_path(uri)))
    if is_in_bucket(uri):
        from hilum.storage.gcs.location import GcsLocation
        from hilum.storage.gcs.storage import GcsStorage

        return GcsStorage(GcsLocation.of(uri))
    scheme = uri.partition(":")[0]
    raise UsageError(f"no storage adapter for {scheme!r} addresses", hint="use a file:// or gs:// address")
