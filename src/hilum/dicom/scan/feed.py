"""The bytes of an object as a walk needs them: a window that grows where a header is longer than most, and that jumps
over large binary values instead of reading them.
"""

from __future__ import annotations

import io
from typing import BinaryIO

from hilum.errors import UnreadableError

WINDOW = 1 << 14
"""Bytes; nearly every header fits, up to its pixel data."""
LARGEST = 1 << 26
"""Bytes of one element that are held at once."""


def too_large() -> UnreadableError:
    return UnreadableError(
        f"an element of its header takes more than {LARGEST >> 20} MiB",
        reason="header-too-large",
        hint="check what wrote it",
    )


class Feed:
    """A window on an object.

    Attributes:
        stream: the object. size: its bytes.
        data: the bytes from ``base`` on.
    """

    def __init__(self, stream: BinaryIO, size: int, first: int = WINDOW) -> None:
        self.stream, self.size = stream, size
        self.data, self.base = b"", 0
        self._window = first
        self.jump(0)

    @property
    def complete(self) -> bool:
        """Whether the window reaches the object's end."""
        return self.base + len(self.data) >= self.size

    def jump(self, position: int) -> None:
        """Begin the window at this offset of the object."""
        self.stream.seek(position)
        self.data, self.base = self.stream.read(self._window), position

    def grow(self, keep: int) -> None:
        """Let the window begin at ``keep``, an offset in it, and hold at least twice as many bytes."""
        rest = self.data[keep:]
        more = max(self._window, len(rest))
        if len(rest) + more > LARGEST:
            raise too_large()
        self.stream.seek(self.base + len(self.data))
        self.data, self.base = rest + self.stream.read(more), self.base + keep


def whole(data: bytes) -> Feed:
    """An object that is in memory."""
    feed = Feed.__new__(Feed)
    feed.stream, feed.size, feed.data, feed.base, feed._window = io.BytesIO(data), len(data), data, 0, WINDOW
    return feed
