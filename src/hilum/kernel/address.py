"""The address of a local file, ``file:///...``, and its path again. A file's name is bytes in no particular encoding,
and comes back as it was.
"""

from __future__ import annotations

import os

SCHEME = "file://"


def is_local(uri: str) -> bool:
    """Whether this is the address of a file on this machine."""
    return uri.startswith(f"{SCHEME}/")


def local_path(uri: str) -> str:
    """The path of a ``file://`` address, as :func:`os.fsdecode` makes it: the inverse of ``Path.as_uri``."""
    from urllib.parse import unquote_to_bytes

    return os.fsdecode(unquote_to_bytes(uri.removeprefix(SCHEME)))
