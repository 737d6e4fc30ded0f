"""The bytes of an object as a walk needs them: a window that grows where a header is longer than most, and that jumps
over large binary values instead of reading them.
"""

from __future__ import annotations

import io
from typing import BinaryIO

from hilum.dicom.limits import HEADER, changed, too_large

WINDOW = 1 << 14
"""Bytes; nearly every header fits, up to its pixel data."""


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
        self._left = HEADER
        self.jump(0)

    @property
    def complete(self) -> bool:
        """Whether the window reaches the object's end."""
        return self.base + len(self.data) >= self.size

    def jump(self, position: int) -> None:
        """Begin the window at this offset of the object."""
        self._read(position, self._window)

    def rewind(self, position: int) -> None:
        """Begin once more there, as if nothing of it had been read."""
        self._left = HEADER
        self.jump(position)

    def grow(self, keep: int) -> None:
        """Let the window begin at ``keep``, an offset in it, and hold four times as many bytes as are left."""
        rest = len(self.data) - keep
        more = min(max(self._window, 3 * rest), self._left)
        self._left -= more
        if more <= 0:
            raise too_large()
        self._read(self.base + keep, rest + more)

    def _read(self, position: int, count: int) -> None:
        """Read what is kept once more rather than hold it twice."""
        self.data, self.base = b"", position
        self.stream.seek(position)
        self.data = self.stream.read(count)
        if len(self.data) < min(count, self.size - position):
            raise changed()


def whole(data: bytes) -> Feed:
    """An object that is in memory."""
    feed = Feed.__new__(Feed)
    feed.stream, feed.size, feed.data, feed.base, feed._window = io.BytesIO(data), len(data), data, 0, WINDOW
    feed._left = HEADER
    return feed
