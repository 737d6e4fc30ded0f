"""A queue of events that can be waited for as files can."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import wait

from hilum.executors.events import Events
from hilum.executors.interface import Progress


def test_what_threads_tell_is_heard_once_and_in_order() -> None:
    events = Events()
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda number: events.put(Progress(str(number), "a")), range(1000)))
    heard = [event for event in events.take(0.0) if isinstance(event, Progress)]
    assert {event.attempt_id for event in heard} == {str(number) for number in range(1000)}
    assert events.take(0.0) == []
    events.close()


def test_it_can_be_waited_for_beside_others() -> None:
    quiet, told = Events(), Events()
    assert wait([quiet, told], 0.0) == []
    told.put(Progress("a", "b"))
    assert wait([quiet, told], 5.0) == [told]
    told.take(0.0)
    assert wait([quiet, told], 0.0) == []
    quiet.close()
    told.close()
