"""The function ``sweep`` as it is deployed: it tells of what a bucket has; the engine knows what of it is news."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

import hilum
from beds.engines import wait_until
from beds.faults import Changed, faulty
from beds.functions import Function
from beds.gcs import CloudStorage
from beds.inbox import Inbox, resources
from beds.pubsub import Lane
from hilum.dicom.phantom import chest_ct
from hilum.functions.sweep import Sweep
from hilum.kernel.clock import ManualClock, SystemClock
from hilum.model.arrival import Arrival
from hilum.sources.messages import Message, decode
from hilum.sources.pubsub import PubSubSource
from hilum.sources.pubsub_client import Topic
from hilum.storage.gcs.listing import FIELDS

Start = Callable[..., Function]
MakeLane = Callable[..., Lane]


def told(lane: Lane, wanted: int) -> list[Arrival]:
    messages = [Message(each.data, dict(each.attributes)) for each in lane.take(wanted)]
    return [item for each in messages if isinstance(item := decode(each, SystemClock().now(), "x"), Arrival)]


def test_it_tells_of_every_object_below_its_prefix_as_the_bucket_would(
    inbox: Inbox, pubsub: MakeLane, serve_function: Start
) -> None:
    arrivals = pubsub()
    inside = [inbox.put(f"in/{number}", bytes(number + 1)) for number in range(5)]
    inbox.put("in-another/0", b"1")
    function = serve_function(
        "sweep", HILUM_BUCKET=f"gs://{inbox.bucket}/in", HILUM_ARRIVALS=arrivals.topic, HILUM_GRACE="0s"
    )
    status, answer = function.call(b'{"window": "all"}')
    assert (status, json.loads(answer)) == (200, {"listed": 5, "published": 5})
    found = told(arrivals, 5)
    assert {(each.version, each.size, each.source) for each in found} == {
        (each["generation"], int(each["size"]), "sweep") for each in inside
    }
    from_bucket = [
        item
        for each in inbox.lane.take(6)
        if isinstance(
            item := decode(Message(each.data, dict(each.attributes)), SystemClock().now(), "x"), Arrival
        )
    ]
    assert {(each.uri, each.version, each.attested) for each in found} <= {
        (each.uri, each.version, each.attested) for each in from_bucket
    }


def test_a_placeholder_of_a_folder_is_no_object_and_any_name_comes_through(
    inbox: Inbox, talking_storage: CloudStorage, pubsub: MakeLane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The emulator keeps objects as files, so a listing of it cannot have such a name: the proxy puts one in."""
    arrivals = pubsub()
    inbox.put("placeholder", b"")
    inbox.put("a?%20#\u00fc !.dcm", b"1")
    with faulty(talking_storage.host) as proxy:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.host)
        renamed = Changed({b'"name":"placeholder"': b'"name":"placeholde/"'}, on_the_way_back=True)
        proxy.rule = lambda request: renamed if request.path.endswith("/o") else None
        swept = Sweep(f"gs://{inbox.bucket}", None, 0.0, Topic(arrivals.topic))()
        [listing] = proxy.seen
    assert (swept.listed, swept.published) == (1, 1)
    [found] = told(arrivals, 1)
    assert found.uri == f"gs://{inbox.bucket}/a%3F%2520%23%C3%BC%20%21.dcm"
    assert listing.query["fields"] == [FIELDS]


@pytest.mark.parametrize(("where", "payer"), [("?user_project=mine", "mine"), ("", "theirs")])
def test_whoever_is_named_pays_for_the_listing(
    where: str,
    payer: str,
    inbox: Inbox,
    talking_storage: CloudStorage,
    pubsub: MakeLane,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_QUOTA_PROJECT", "theirs")
    with faulty(talking_storage.host) as proxy:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.host)
        Sweep(f"gs://{inbox.bucket}{where}", None, 0.0, Topic(pubsub().topic))()
        assert [request.query["userProject"] for request in proxy.seen] == [[payer]]


@pytest.mark.parametrize(("age", "published"), [(5 * 60, 0), (3600, 3), (25 * 3600, 3), (27 * 3600, 0)])
def test_what_is_too_young_or_too_old_is_left_out(
    inbox: Inbox, pubsub: MakeLane, age: float, published: int
) -> None:
    arrivals = pubsub()
    for number in range(3):
        inbox.put(f"{number}", b"1")
    clock = ManualClock(SystemClock().now() + timedelta(seconds=age))
    sweep = Sweep(f"gs://{inbox.bucket}", 26 * 3600.0, 600.0, Topic(arrivals.topic), clock)
    swept = sweep()
    assert (swept.listed, swept.published) == (3, published)


def test_what_it_cannot_do_it_answers_with_the_reason(
    inbox: Inbox, pubsub: MakeLane, serve_function: Start
) -> None:
    function = serve_function(
        "sweep",
        HILUM_BUCKET=f"gs://{inbox.bucket}",
        HILUM_ARRIVALS="projects/hilum-test/topics/nowhere",
        HILUM_GRACE="0s",
    )
    inbox.put("a", b"1")
    assert function.call(b'{"window": "soon"}') == (400, '{"error":"bad-settings"}\n')
    assert function.call(b"") == (500, '{"error":"topic-missing"}\n')
    missing = serve_function("sweep", HILUM_BUCKET="gs://no-such-bucket", HILUM_ARRIVALS=pubsub().topic)
    assert missing.call(b"") == (500, '{"error":"bucket-missing"}\n')


def test_of_lost_events_it_makes_the_engine_complete_and_known_objects_are_no_news(
    inbox: Inbox, pubsub: MakeLane, serve_function: Start, tmp_path: Path
) -> None:
    paths = chest_ct(tmp_path / "ct", slices=40, rows=16, columns=16).paths
    put = resources(inbox, paths)
    arrivals = pubsub()
    lost = {each["name"] for each in put[::20]}
    for each in inbox.lane.take(len(put)):
        if each.attributes["objectId"] not in lost:
            arrivals.publish(each.data, dict(each.attributes))
    function = serve_function(
        "sweep", HILUM_BUCKET=f"gs://{inbox.bucket}", HILUM_ARRIVALS=arrivals.topic, HILUM_GRACE="0s"
    )
    with hilum.open(tmp_path / "home") as home:
        engine = home.engine()
        source = PubSubSource(arrivals.address, home.clock)

        def known(wanted: int) -> bool:
            engine.intake.take(source)
            return home.status().arrivals.get("accepted", 0) >= wanted

        assert wait_until(lambda: known(len(put) - len(lost)), every=0.1)
        assert function.call(b"")[0] == 200
        assert wait_until(lambda: known(len(put)), every=0.1)
        assert home.status().arrivals == {"accepted": len(put)}
        engine.drain()
        found = home.query("SELECT count(*) AS n FROM arrivals WHERE source = 'sweep'").to_pylist()
        assert found == [{"n": len(lost)}]
        source.close()
        engine.close()
