"""What a walk does at an element."""

from __future__ import annotations

from enum import IntEnum


class Kind(IntEnum):
    """What the walk does at an element."""

    LEAF = 0
    BINARY = 1
    SEQUENCE = 2
    SWITCH = 3
    """A value that changes what later bytes mean."""
    PIXELS = 4
    END = 5
    """The item, or the file meta information, is over."""
    PADDING = 6
