"""Requests of storage under way while the answers before them are used: most of the time of each is spent waiting."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

AT_ONCE = 8
"""Requests at once; Google's client keeps ten connections."""


def ahead(ask: Callable[[Item], Answer], items: Iterable[Item]) -> Iterator[tuple[Item, Answer]]:
    """Each item with its answer, in their order; a few are asked for before they are wanted, never all of them."""
    waiting: deque[tuple[Item, Future[Answer]]] = deque()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        try:
            for item in items:
                if len(waiting) >= AT_ONCE:
                    asked, answer = waiting.popleft()
                    yield asked, answer.result()
                waiting.append((item, threads.submit(ask, item)))
            while waiting:
                asked, answer = waiting.popleft()
                yield asked, answer.result()
        finally:
            for _, answer in waiting:
                answer.cancel()
