"""What an engine holds of arrivals that it has recorded: nothing. Bytes are counted, and no time."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import hilum
from beds.engines import wait_until
from beds.ledgers import received
from beds.pubsub import Lane
from hilum.engine.serve import serve
from hilum.model.content import Attested
from hilum.sources.messages import encode_arrival
from hilum.sources.pubsub import PubSubSource

FIRST, MORE = 5_000, 6_000
"""The first are more than may wait in the client at once, so that its own tables are as large as they become."""
BYTES_EACH = 48
"""Less than an address or a UID takes."""
ATTESTED = Attested("AAAAAA==", "AAAAAAAAAAAAAAAAAAAAAA==")
NOTHING = "name: nothing\nwhen: Modality == 'none'\nsettle: {quiet: 1h}\nsteps:\n  qc: {uses: qc}\n"


def published(lane: Lane, begin: int, end: int) -> None:
    """Arrivals with headers, of series that stay open."""
    sent = []
    for number in range(begin, end):
        item = received(number, series=f"1.2.1.{number // 200}")
        uri = f"gs://inbox/{number}.dcm"
        assert item.instance is not None
        arrival = replace(item.arrival, uri=uri, attested=ATTESTED)
        instance = replace(item.instance, uri=uri)
        message = encode_arrival(replace(item, arrival=arrival, instance=instance))
        sent.append(lane.publisher.publish(lane.topic, message.data, **message.attributes))
    for each in sent:
        each.result(60)


def held() -> int:
    """Bytes of everything that Python holds."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def test_nothing_stays_of_an_arrival_once_it_is_recorded(pubsub: Callable[..., Lane], tmp_path: Path) -> None:
    lane = pubsub()
    (tmp_path / "nothing.yaml").write_text(NOTHING)
    tracemalloc.start()
    try:
        with hilum.open(tmp_path / "home") as home:
            engine = home.engine([tmp_path / "nothing.yaml"])
            source = PubSubSource(lane.address, home.clock)

            def come() -> int:
                return sum(home.status().arrivals.values()) + source.passed_over.total()

            def take(begin: int, end: int) -> None:
                published(lane, begin, end)
                serve(engine, [source], home.clock, lambda: come() >= end)
                assert not source.passed_over

            take(0, FIRST)
            before = held()
            take(FIRST, FIRST + MORE)
            # The client acknowledges in threads of its own, a little later.
            forgotten = wait_until(lambda: held() - before < MORE * BYTES_EACH, 30.0)
            source.close()
            engine.close()
    finally:
        tracemalloc.stop()
    assert forgotten
