"""The one module of the sources that knows Google's Pub/Sub client: streams of a subscription, and topics.

The client keeps the leases of messages that wait here, holds back the server when enough of them do, and opens a
stream anew that broke. What it says in an error may hold names, so of it only the kind is told.
"""

from __future__ import annotations

import os
import queue
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from hilum.errors import HilumError, TerminalError, TransientError, UsageError
from hilum.kernel.logging import get_logger
from hilum.sources.messages import Message

if TYPE_CHECKING:
    from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
    from google.cloud.pubsub_v1.futures import Future
    from google.cloud.pubsub_v1.subscriber.futures import StreamingPullFuture

STREAMS = 2
"""Streams of one subscription; a single one gives at most 10 MB/s (Pub/Sub's quotas)."""
WAITING = 4000
"""Messages that wait here at most, over all streams."""
WAITING_BYTES = 64 << 20
AT_ONCE = 1000
"""Messages of many that are published together, and in memory."""
PATIENCE = 20.0
"""Seconds that ending streams, or publishing what is left, may take."""
TOPIC = re.compile(r"projects/[^/]+/topics/[^/]+")
"""The full name of a topic."""
TAKEN = frozenset(("self", "topic", "data", "ordering_key", "retry", "timeout"))
"""Names that no attribute of a message may have that is to be published: Google's client takes them for its own."""

log = get_logger(__name__)


class MessageTooLarge(TerminalError):
    """A message is larger than what Pub/Sub takes, attributes and all."""

    reason = "message-too-large"


class Pulled(Protocol):
    """A message that came; the client keeps its lease until it is acknowledged or given back."""

    @property
    def data(self) -> bytes: ...
    @property
    def attributes(self) -> Mapping[str, str]: ...
    @property
    def message_id(self) -> str: ...
    def ack(self) -> None: ...
    def nack(self) -> None: ...


class Subscription:
    """A subscription that is pulled from once it is asked for the first time.

    Args:
        name: ``projects/P/subscriptions/S``.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._client: SubscriberClient | None = None
        self._came: deque[Pulled] = deque()
        self._streams: list[StreamingPullFuture] = []

    def take(self, limit: int) -> list[Pulled]:
        """Messages that came since, at most so many; each is to be acknowledged, or given back, once.

        Raises:
            UsageError: ``extra-missing``. TerminalError: ``subscription-missing``, ``pubsub-refused``,
            ``pubsub-credentials``. Whatever else ends a stream is tried again.
        """
        self._stream()
        return list(islice(_left(self._came), limit))

    def close(self) -> None:
        """Pull no more; what nobody took is given back."""
        for stream in self._streams:
            stream.cancel()
        end = time.monotonic() + PATIENCE
        for stream in self._streams:
            try:
                stream.result(max(0.0, end - time.monotonic()))
            except Exception as error:  # it is over, whatever ended it
                log.debug("a stream ended with an error", error=error)
        self._streams.clear()
        if self._client is not None:
            self._client.close()
            self._client = None

    def _stream(self) -> None:
        """Open the streams, and those anew that ended for good though nobody is to blame."""
        ended = [stream for stream in self._streams if stream.done()]
        for stream in ended:
            self._streams.remove(stream)
            if (cause := stream.exception()) is not None:
                error = error_of(cause, "subscription")
                if not error.transient:
                    raise error from None
                log.warning("a stream of messages is opened anew", reason=error.reason)
        if self._client is None:
            self._client = _made(_pubsub().SubscriberClient, "subscription")
        while len(self._streams) < STREAMS:
            self._streams.append(self._opened(self._client))

    def _opened(self, client: SubscriberClient) -> StreamingPullFuture:
        control = _pubsub().types.FlowControl(
            max_messages=WAITING // STREAMS, max_bytes=WAITING_BYTES // STREAMS
        )
        return client.subscribe(
            self._name, self._came.append, flow_control=control, scheduler=_at_once(self._came)
        )


class Topic:
    """A topic that is published to.

    Args:
        name: ``projects/P/topics/T``.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._client: PublisherClient = _made(_pubsub().PublisherClient, "topic")
        self._under_way: set[Future] = set()

    def publish(self, data: bytes, attributes: Mapping[str, str], done: Callable[[bool], None]) -> None:
        """Send a message; ``done`` is told, from another thread, whether it is there.

        Args:
            attributes: none of the names that are ``TAKEN``.

        Raises:
            MessageTooLarge: it is not sent, and ``done`` is not told.
        """
        from google.cloud.pubsub_v1.publisher.exceptions import MessageTooLargeError

        try:
            future = self._client.publish(self._name, data, **attributes)
        except MessageTooLargeError:
            raise MessageTooLarge("a message is too large to be published") from None
        self._under_way.add(future)

        def ended(future: Future) -> None:
            error = future.exception()
            if error is not None:
                log.warning("a message could not be published", reason=error_of(error, "topic").reason)
            done(error is None)
            self._under_way.discard(future)

        future.add_done_callback(ended)

    def send(self, data: bytes, attributes: Mapping[str, str]) -> None:
        """Send a message; it is there when this returns.

        Raises:
            TerminalError: ``topic-missing``, ``pubsub-refused``, ``pubsub-credentials``.
            TransientError: ``pubsub-unavailable``.
        """
        try:
            self._client.publish(self._name, data, **attributes).result(PATIENCE)
        except Exception as error:
            raise error_of(error, "topic") from None

    def send_all(self, messages: Iterable[Message]) -> int:
        """Send messages, some at once; how many. They are there when this returns. Errors as of :meth:`send`."""
        sent = 0
        rest = iter(messages)
        while some := list(islice(rest, AT_ONCE)):
            try:
                for future in [self._client.publish(self._name, one.data, **one.attributes) for one in some]:
                    future.result(PATIENCE)
            except Exception as error:
                raise error_of(error, "topic") from None
            sent += len(some)
        return sent

    def close(self) -> None:
        """Wait until what is under way is there, or refused, and no longer than patience lasts for all of it."""
        self._client.stop()
        end = time.monotonic() + PATIENCE
        for future in list(self._under_way):
            try:
                future.result(max(0.0, end - time.monotonic()))
            except Exception as error:  # ``done`` was told
                log.debug("a message was not published", error=error)


def error_of(error: BaseException, what: str) -> HilumError:
    """An error of Google's client as one of ours.

    Args:
        what: ``subscription`` or ``topic``.
    """
    from google.api_core.exceptions import NotFound, PermissionDenied, Unauthenticated
    from google.auth.exceptions import GoogleAuthError

    if isinstance(error, NotFound) and what == "topic":
        return TerminalError("the topic does not exist", reason="topic-missing", hint="check its name")
    if isinstance(error, NotFound):
        return TerminalError(
            "the subscription does not exist", reason="subscription-missing", hint="check its name"
        )
    if isinstance(error, PermissionDenied):
        return TerminalError(
            "Pub/Sub refuses access",
            reason="pubsub-refused",
            hint="roles/pubsub.subscriber on a subscription is needed, roles/pubsub.publisher on a topic",
        )
    if isinstance(error, Unauthenticated) or (isinstance(error, GoogleAuthError) and not error.retryable):
        return TerminalError(
            "there are no credentials that Pub/Sub takes",
            reason="pubsub-credentials",
            hint="run `gcloud auth application-default login`, or give the machine a service account",
        )
    return TransientError("Pub/Sub cannot be reached", reason="pubsub-unavailable")


def _made(client: Callable[[], Any], what: str) -> Any:
    try:
        return client()
    except Exception as error:
        raise error_of(error, what) from None


def _left(came: deque[Pulled]) -> Iterator[Pulled]:
    """Takes out what is there. Several threads may do so at once, so that there is more is not asked beforehand."""
    with suppress(IndexError):
        while True:
            yield came.popleft()


def _at_once(came: deque[Pulled]) -> Any:
    """What calls back in the stream's own thread, since there is nothing to do but to put a message aside."""
    from google.cloud.pubsub_v1.subscriber.scheduler import Scheduler

    class AtOnce(Scheduler):  # type: ignore[misc]  # Google's client has no types
        def __init__(self) -> None:
            self._answers: queue.Queue[Any] = queue.Queue()

        @property
        def queue(self) -> queue.Queue[Any]:
            return self._answers

        def schedule(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
            callback(*args, **kwargs)

        def shutdown(self, await_msg_callbacks: bool = False) -> list[Pulled]:
            """What nobody took: the stream that ends gives it back."""
            return list(_left(came))

    return AtOnce()


def _pubsub() -> Any:
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its own lines go to standard error, past our logs
    try:
        return import_module("google.cloud.pubsub_v1")
    except ImportError:
        raise UsageError(
            "pubsub:// addresses need Google's client",
            reason="extra-missing",
            hint="pip install 'hilum[pubsub]'",
        ) from None
