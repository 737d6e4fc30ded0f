"""What ends, ends in bounded time, and nobody stumbles over a message that another took."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from typing import cast

import pytest

from hilum.sources import pubsub_client
from hilum.sources.pubsub_client import Pulled, Subscription, Topic

PATIENCE = 0.3


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that each future was waited for at most, where patience lasts for a moment."""
    waited: list[float] = []
    result = Future.result

    def told(self: Future[object], timeout: float | None = None) -> object:
        assert timeout is not None
        waited.append(timeout)
        return result(self, timeout)

    monkeypatch.setattr(Future, "result", told)
    monkeypatch.setattr(pubsub_client, "PATIENCE", PATIENCE)
    return waited


class Contended(deque[Pulled]):
    """Of which another thread takes what is left whenever somebody is about to: too rare to wait for."""

    def popleft(self) -> Pulled:
        self.clear()
        return super().popleft()


def test_closing_a_topic_takes_no_longer_for_many_messages_than_for_one(
    waited: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens at that address, and Google's client goes on trying."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:9")
    topic = Topic("projects/project/topics/dead")
    for _ in range(4):
        topic.publish(b"a message", {}, lambda there: None)
    topic.close()
    assert len(waited) == 4
    assert sum(waited) < 2 * PATIENCE


def test_closing_a_subscription_takes_no_longer_for_many_streams_than_for_one(waited: list[float]) -> None:
    """Streams that do not end when they are told to: a real one does."""
    subscription = Subscription("projects/project/subscriptions/lane")
    for _ in range(4):
        stream: Future[None] = Future()
        stream.set_running_or_notify_cancel()
        subscription._streams.append(stream)
    subscription.close()
    assert len(waited) == 4
    assert sum(waited) < 2 * PATIENCE


def test_who_looks_for_messages_while_another_takes_the_last_gets_none() -> None:
    """A stream that ends takes what is left, in a thread of its own."""
    subscription = Subscription("projects/project/subscriptions/lane")
    subscription._stream = lambda: None  # type: ignore[method-assign]
    subscription._came = Contended([cast("Pulled", "a message")])
    assert subscription.take(9) == []
    scheduler = pubsub_client._at_once(Contended([cast("Pulled", "a message")]))
    assert scheduler.shutdown() == []
