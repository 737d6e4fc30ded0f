"""Addresses of objects: ``file:///a/b.dcm`` for a file, ``gs://bucket/a/b.dcm`` for an object of a bucket,
``file:///a/b.zip!/c/d.dcm`` for a member of an archive.

A name is bytes in no particular encoding, and comes back as it was. Whatever is neither a letter, a digit, ``_.-~``
nor ``/`` is percent-encoded, an exclamation mark too, so the first ``!/`` is where the archive's own address ends. A
name that an archive has twice gets ``!2`` behind it the second time.
"""

from __future__ import annotations

import os

SCHEME = "file://"
BUCKET_SCHEME = "gs://"
INSIDE = "!/"


def is_local(uri: str) -> bool:
    """Whether this is the address of a file on this machine, or of a member of one."""
    return uri.startswith(f"{SCHEME}/")


def local_path(uri: str) -> str:
    """The path of a ``file://`` address, as :func:`os.fsdecode` makes it: the inverse of ``Path.as_uri``.

    Raises:
        ValueError: it is a member's address, which has no path.
    """
    from urllib.parse import unquote_to_bytes

    if INSIDE in uri:
        raise ValueError("a member of an archive has no path of its own")
    return os.fsdecode(unquote_to_bytes(uri.removeprefix(SCHEME)))


def is_in_bucket(uri: str) -> bool:
    """Whether this is the address of a bucket or of something in one."""
    return uri.startswith(BUCKET_SCHEME)


def bucket_object(uri: str) -> tuple[str, str]:
    """Bucket and name of an object at a ``gs://`` address: the inverse of :func:`bucket_object_uri`."""
    from urllib.parse import unquote

    bucket, _, name = uri.removeprefix(BUCKET_SCHEME).partition("/")
    return bucket, unquote(name)


def bucket_object_uri(bucket: str, name: str) -> str:
    """The address of an object in a bucket."""
    from urllib.parse import quote

    return f"{BUCKET_SCHEME}{bucket}/{quote(name)}"


def member_uri(archive: str, name: bytes, nth: int = 1) -> str:
    """The address of an archive's member: the ``nth`` of this name."""
    from urllib.parse import quote_from_bytes

    return f"{archive}{INSIDE}{quote_from_bytes(name)}" + (f"!{nth}" if nth > 1 else "")


def archive_of(uri: str) -> str:
    """The address of the archive that a member is in; empty for what is no member."""
    archive, inside, _ = uri.partition(INSIDE)
    return archive if inside else ""


def shown(uri: str) -> str:
    """A local address as people write paths, anything else as it is; bytes that are no text as question marks."""
    from urllib.parse import unquote_to_bytes

    if not is_local(uri):
        return uri
    return os.fsdecode(unquote_to_bytes(uri.removeprefix(SCHEME))).encode(errors="replace").decode()


def file_version(found: os.stat_result) -> str:
    """What changes when a file's bytes may have: modification time and inode."""
    return f"{found.st_mtime_ns}-{found.st_ino}"


def member_version(archive_version: str, mark: str) -> str:
    """The version of a member: its archive's, and what tells it apart within."""
    return f"{archive_version}/{mark}"


def is_of_version(version: str, archive_version: str) -> bool:
    """Whether this is the version of a member of an archive of that version."""
    return version.startswith(f"{archive_version}/")
