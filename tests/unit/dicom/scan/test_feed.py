"""The window on an object's bytes."""

from __future__ import annotations

import io

import pytest

from hilum.dicom.limits import HEADER
from hilum.dicom.scan.feed import WINDOW, Feed, whole
from hilum.errors import UnreadableError

DATA = bytes(range(256)) * 1024


class Counted(io.BytesIO):
    """Says how much was read of it."""

    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data


def feed(data: bytes = DATA, size: int | None = None) -> Feed:
    return Feed(io.BytesIO(data), len(data) if size is None else size)


def to_the_end(feed: Feed) -> int:
    """In so many steps."""
    steps = 0
    while not feed.complete:
        feed.grow(0)
        steps += 1
    return steps


def test_the_first_window_is_all_that_is_read_of_most_objects() -> None:
    stream = Counted(DATA)
    feed = Feed(stream, len(DATA))
    assert (feed.data, feed.base, stream.taken) == (DATA[:WINDOW], 0, WINDOW)
    assert not feed.complete


def test_a_small_object_is_complete_at_once() -> None:
    assert feed(b"small").complete
    assert feed(b"").complete
    assert whole(b"small").complete


def test_growing_keeps_the_bytes_from_a_place_on_and_adds_more() -> None:
    grown = feed()
    grown.grow(1000)
    assert grown.base == 1000
    assert grown.data == DATA[1000 : 1000 + len(grown.data)]
    assert len(grown.data) >= 2 * (WINDOW - 1000)


def test_growing_again_and_again_reaches_the_end_in_few_steps() -> None:
    grown = feed()
    assert to_the_end(grown) <= 3
    assert grown.data == DATA


def test_jumping_leaves_out_what_is_in_between() -> None:
    stream = Counted(DATA)
    jumped = Feed(stream, len(DATA))
    jumped.jump(200_000)
    assert jumped.data == DATA[200_000 : 200_000 + WINDOW]
    assert stream.taken == 2 * WINDOW
    jumped.jump(len(DATA))
    assert (jumped.data, jumped.complete) == (b"", True)


def test_an_object_that_has_become_shorter_is_noticed_and_not_waited_for() -> None:
    with pytest.raises(UnreadableError) as caught:
        to_the_end(feed(size=len(DATA) + 1))
    assert caught.value.reason == "changed-while-read"
    with pytest.raises(UnreadableError) as caught:
        feed(size=2 * len(DATA)).jump(len(DATA) + 5)
    assert caught.value.reason == "changed-while-read"


class Zeros(io.RawIOBase):
    """As many as anyone wants."""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return offset

    def read(self, size: int = -1) -> bytes:
        return bytes(size)


def test_a_header_is_not_followed_beyond_the_limit_unless_it_begins_anew() -> None:
    endless = Feed(Zeros(), 1 << 40)  # type: ignore[arg-type]
    with pytest.raises(UnreadableError) as caught:
        to_the_end(endless)
    assert caught.value.reason == "header-too-large"
    assert len(endless.data) <= HEADER + WINDOW
    endless.rewind(0)
    endless.grow(0)
