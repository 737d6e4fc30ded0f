"""What an object may ask of whoever reads its header. Each limit has a reason code of its own, lies far beyond what
scanners and archives send, and holds whether our scanner reads or pydicom: whatever the bytes, a header is read or
refused within seconds (most within one) and with less than 256 MB.

Three dangers need no limit. A sequence cannot contain itself, since a stream has no references. Lengths do not
overflow: 0xFFFFFFFE is a length like any other, and ``truncated`` where it goes beyond the object. UIDs cannot lead
anywhere as parts of paths: they are digits and dots, or ``invalid-uid``.
"""

from __future__ import annotations

from typing import BinaryIO

from hilum.errors import UnreadableError

DEPTH = 32
"""Sequences within sequences; the field has up to 8."""
ELEMENTS = 1_000_000
"""Elements and items of one header; an enhanced multi-frame of 10,000 frames has most of it."""
KINDS = 1 << 14
"""Different elements (by tag, VR and what they depend on) of one header; the field has some hundreds."""
HEADER = 1 << 26
"""Bytes of a header, the binary values that are passed over aside, and characters of its row."""
LONGEST_VALUE = 1 << 22
"""Bytes of one value that is text or numbers; PS3.5 6.2 allows 2^32 - 2 in UT, UC and UR."""
LONGEST_SWITCH = 1 << 10
"""Bytes of a value that says what others mean, such as Specific Character Set."""
COSTLY = 100_000
"""Names, dates and times of a header that stand several in one element, and its switches of character sets."""
FAULTS = 1 << 15
"""Values of a header that their columns cannot hold."""
EXPANDED = 1 << 28
"""Bytes of a deflated data set once it is inflated, pixel data included."""
FRAGMENTS = 1 << 20
"""Fragments of encapsulated pixel data, which have one or a few for each frame."""
STEPS, BYTES = 300_000, 1 << 24
"""What pydicom may take of one object, which costs ten times as much: elements and values, and bytes."""

_HINT = "check what wrote it"


def too_deep() -> UnreadableError:
    return UnreadableError(
        f"its sequences are nested more than {DEPTH} deep", reason="nested-too-deep", hint=_HINT
    )


def too_many() -> UnreadableError:
    return UnreadableError(
        "its header has more elements, items or values than can be read in reasonable time",
        reason="too-many-elements",
        hint=_HINT,
    )


def too_large() -> UnreadableError:
    return UnreadableError(
        "its header is larger than what can be read in reasonable memory",
        reason="header-too-large",
        hint=_HINT,
    )


def too_long() -> UnreadableError:
    return UnreadableError(
        "a value of its header is longer than what such a value can be", reason="value-too-long", hint=_HINT
    )


def bomb() -> UnreadableError:
    return UnreadableError(
        f"it inflates to more than {EXPANDED >> 20} MiB",
        reason="deflate-bomb",
        hint="inflate it, if you trust it",
    )


def too_many_fragments() -> UnreadableError:
    return UnreadableError(
        f"its pixel data have more than {FRAGMENTS:,} fragments", reason="too-many-fragments", hint=_HINT
    )


def changed() -> UnreadableError:
    return UnreadableError(
        "the object changed while it was read",
        reason="changed-while-read",
        hint="run again when nobody writes to it any more",
    )


def out_of_memory() -> UnreadableError:
    return UnreadableError(
        "the machine has not enough memory to read it",
        reason="out-of-memory",
        hint="free some, and release it",
    )


class Allowance:
    """What is left to an object that pydicom reads."""

    def __init__(self) -> None:
        self._steps, self._bytes = STEPS, BYTES

    def take(self, steps: int, size: int = 0) -> None:
        """Raise ``too-many-elements`` or ``header-too-large`` where it is used up."""
        self._steps -= steps
        self._bytes -= size
        self.check()

    def check(self) -> None:
        """Raise once more where it was used up before: pydicom has its own word for every error of a stream."""
        if self._steps < 0:
            raise too_many()
        if self._bytes < 0:
            raise too_large()


class Metered:
    """Bytes as pydicom reads them: never asked for more than there are, nor for more than it is allowed."""

    def __init__(self, stream: BinaryIO, size: int, allowance: Allowance) -> None:
        self._stream, self._size, self._allowance = stream, size, allowance
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, count: int = -1) -> bytes:
        left = max(self._size - self._stream.tell(), 0)
        count = left if count < 0 else min(count, left)
        self._allowance.take(1, count)
        return self._stream.read(count)
