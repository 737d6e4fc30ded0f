"""From an object's event to the ledger and to its first step, with the real servers that can be had on one machine:
Pub/Sub's emulator, a storage server, the function served as it is deployed.

``PYTHONPATH=tests python -m benchmarks.cloud_pubsub [--quick]``. The emulator gives a stream 100 messages every 50
ms, so two streams are fed at most 4,000 a second, which Google's own servers do not say. All of it shares the
machine.
"""

from __future__ import annotations

import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import hilum
from beds.functions import CloudEvent, Function, built
from beds.gcs import CloudStorage
from beds.gcs import built as storage_server
from beds.inbox import Inbox
from beds.pubsub import Lane, PubSub
from beds.real import real_file
from hilum.dicom.phantom import chest_ct
from hilum.engine.receive import received
from hilum.engine.serve import serve
from hilum.kernel.clock import SystemClock
from hilum.model.arrival import Arrival, Received
from hilum.model.content import Attested
from hilum.sources.messages import Message, encode_arrival
from hilum.sources.pubsub import PubSubSource

QUICK = "--quick" in sys.argv
CONSUMED, LASTING = (2_000, 10_000) if QUICK else (30_000, 200_000)
HEADERS, ROUNDS = (300, 3) if QUICK else (4_000, 20)
AHEAD = 20_000
"""Messages that may lie in the emulator, which keeps them in memory."""
THREADS = 32
NOTHING = "name: nothing\nwhen: Modality == 'none'\nsettle: {quiet: 1h}\nsteps:\n  qc: {uses: qc}\n"
AT_ONCE = "name: at-once\nsettle: {quiet: 0s}\nsteps:\n  qc: {uses: qc}\n"
PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")

Row = tuple[str, str, str]
"""What was measured, the figure, the bar or what to know."""


def rows() -> Iterator[Row]:
    """Each figure as it is known."""
    server = PubSub(heap="4g")
    os.environ["PUBSUB_EMULATOR_HOST"] = server.address
    program = storage_server()
    assert program is not None, "Go is needed to build the storage server"
    storage = CloudStorage(program)
    os.environ["STORAGE_EMULATOR_HOST"] = storage.host
    try:
        with tempfile.TemporaryDirectory(prefix="hilum-bench-") as folder:
            here = Path(folder)
            yield from consuming(server, here / "consuming")
            yield from lasting(server, here / "lasting")
            yield from calling(server, storage, here)
            yield from beginning(server, storage, here)
    finally:
        storage.stop()
        server.stop()


def consuming(server: PubSub, home: Path) -> Iterator[Row]:
    """How fast arrivals with headers come from Pub/Sub into the ledger, the warehouse's rows being written too."""
    lane = server.lane()
    publish(lane, 0, CONSUMED)
    *_, last = consumed(lane, home, CONSUMED)
    count, seconds, cpu, _ = last
    yield (
        "arrivals from Pub/Sub to the ledger",
        f"{count / seconds:,.0f}/s",
        "bar 1,500/s; rows recorded as well",
    )
    yield "  processor time of the engine", f"{1e6 * cpu / count:,.0f} us each", ""


def lasting(server: PubSub, home: Path) -> Iterator[Row]:
    """Whether the engine's memory grows over many arrivals."""
    lane = server.lane()
    publish(lane, 0, min(AHEAD, LASTING))
    sizes: list[tuple[int, int]] = []
    published = min(AHEAD, LASTING)
    under_way: Future[None] | None = None
    with ThreadPoolExecutor(1) as pool:
        for count, _, _, resident in consumed(lane, home, LASTING):
            sizes.append((count, resident))
            if published < LASTING and published - count < AHEAD // 2 and (not under_way or under_way.done()):
                more = min(AHEAD // 2, LASTING - published)
                under_way = pool.submit(publish, lane, published, published + more)
                published += more
    since = [(count, size) for count, size in sizes if count >= LASTING // 10]
    half = next(size for count, size in since if count >= LASTING // 2)
    yield f"memory at {LASTING // 10:,} arrivals", f"{since[0][1] >> 20} MiB", ""
    yield f"  at {LASTING // 2:,}", f"{half >> 20} MiB", ""
    yield f"  at {LASTING:,}", f"{since[-1][1] >> 20} MiB", "bar: flat"
    yield "  the most of these and all between", f"{max(size for _, size in since) >> 20} MiB", ""


def consumed(lane: Lane, home: Path, wanted: int) -> Iterator[tuple[int, float, float, int]]:
    """An engine in a process of its own: arrivals so far, seconds and processor seconds since the first, memory."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.cloud_pubsub",
        "--consume",
        lane.address,
        str(home),
        str(wanted),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as engine:
        assert engine.stdout is not None
        for line in engine.stdout:
            count, seconds, cpu, resident = json.loads(line)
            yield count, seconds, cpu, resident


def consume(address: str, folder: str, wanted: int) -> None:
    """The engine of :func:`consumed`: it serves, until it has so many arrivals."""
    pipeline = Path(folder).with_suffix(".yaml")
    pipeline.write_text(NOTHING)
    with hilum.open(folder) as home:
        engine = home.engine([pipeline])
        source = PubSubSource(address, home.clock)
        start, cpu, first, said = 0.0, 0.0, 0, 0.0

        def done() -> bool:
            nonlocal start, cpu, first, said
            if time.monotonic() - said < 0.5 and start:
                return False
            said = time.monotonic()
            count = sum(home.status().arrivals.values())
            if not start:
                start, cpu, first = (said, time.process_time(), count) if count else (0.0, 0.0, 0)
                return False
            told = [count - first, said - start, time.process_time() - cpu, resident()]
            print(json.dumps(told), flush=True)
            return count >= wanted

        serve(engine, [source], home.clock, done)
        source.close()
        engine.close()


def resident() -> int:
    """Bytes of memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def publish(lane: Lane, begin: int, end: int) -> None:
    """Arrivals with the header of a real CT, each an instance of its own in series of 200."""
    sent = [lane.publisher.publish(lane.topic, each.data, **each.attributes) for each in arrivals(begin, end)]
    for each in sent:
        each.result(60)


def arrivals(begin: int, end: int) -> Iterator[Message]:
    file = real_file("CT_small.dcm")
    attested = Attested("AAAAAA==", "AAAAAAAAAAAAAAAAAAAAAA==")
    arrival = Arrival("gs://inbox/ct", file.stat().st_size, "1", SystemClock().now(), "pubsub", attested)
    with file.open("rb") as stream:
        read = received(arrival, stream, digest=False)
    for number in range(begin, end):
        yield encode_arrival(another(read, number))


def another(read: Received, number: int) -> Received:
    """The same header as that of another instance."""
    instance = read.instance
    assert instance is not None
    uid, series = f"{instance.sop_instance_uid}.{number}", f"{instance.series_instance_uid}.{number // 200}"
    row = read.row.replace(instance.sop_instance_uid, uid).replace(instance.series_instance_uid, series)
    uri = f"gs://inbox/{number // 200}/{number}.dcm"
    return replace(
        read,
        arrival=replace(read.arrival, uri=uri),
        instance=replace(instance, sop_instance_uid=uid, series_instance_uid=series, uri=uri),
        facts=read.facts | {"SOPInstanceUID": uid, "SeriesInstanceUID": series},
        row=row,
    )


def calling(server: PubSub, storage: CloudStorage, here: Path) -> Iterator[Row]:
    """How many headers one instance on one core reads, asked over HTTP by as many as its concurrency."""
    inbox = Inbox(storage.create_bucket(), server.lane())
    paths = chest_ct(here / "ct", slices=100, rows=512, columns=512).paths
    events = [CloudEvent(inbox.put(path.name, path)) for path in paths]
    folder = built(here / "functions") / "intake"
    cores = sorted(os.sched_getaffinity(0))
    begin = time.perf_counter()
    function = Function(
        folder, "cloudevent", {"HILUM_ARRIVALS": server.lane().topic}, ("taskset", "-c", str(cores[0]))
    )
    try:
        assert events[0].binary(function)[0] == 200
        cold = time.perf_counter() - begin
        yield "function: start to first answer", f"{cold:.2f} s", "files cached; image and network aside"
        asked(function, events, THREADS * 4)
        before = processor(function)
        begin = time.perf_counter()
        asked(function, events, HEADERS)
        seconds, cpu = time.perf_counter() - begin, processor(function) - before
        beside = (
            f"bar 400/s; {THREADS} at once, 64 KiB of objects of 512 KiB, on core {cores[0]} of {len(cores)}"
        )
        yield "function: headers in one instance", f"{HEADERS / seconds:,.0f}/s", beside
        yield "  in a second of its processor time", f"{HEADERS / cpu:,.0f}", ""
        yield "  memory of its processes, shared once", f"{memory(function) >> 20} MiB", "PSS"
    finally:
        function.stop()


def asked(function: Function, events: list[CloudEvent], count: int) -> None:
    """So many requests, on connections that are kept, as the platform keeps them."""

    def ask(share: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", function.port, timeout=60)
        for number in range(share, count, THREADS):
            event = events[number % len(events)]
            headers = {f"ce-{name}": value for name, value in event.attributes.items()}
            body = json.dumps(event.data)
            connection.request("POST", "/", body, headers | {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200
        connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(ask, range(THREADS)))


def processor(function: Function) -> float:
    """Seconds of processor time of a function's processes."""
    fields = [
        Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split() for each in function.processes()
    ]
    return sum(int(each[11]) + int(each[12]) for each in fields) / TICKS


def memory(function: Function) -> int:
    """Bytes of a function's processes, pages that they share counted once."""
    lines = [
        line
        for each in function.processes()
        for line in Path(f"/proc/{each}/smaps_rollup").read_text().splitlines()
        if line.startswith("Pss:")
    ]
    return sum(int(line.split()[1]) for line in lines) << 10


def beginning(server: PubSub, storage: CloudStorage, here: Path) -> Iterator[Row]:
    """From an object's event to the start of its first step, one series at a time, on the process executor."""
    lane = server.lane()
    inbox = Inbox(storage.create_bucket(), lane)
    pipeline = here / "at-once.yaml"
    pipeline.write_text(AT_ONCE)
    engine = subprocess.Popen(
        [
            *(Path(sys.executable).with_name("hilum"), "--home", here / "home", "serve"),
            *("--watch", lane.address, "--pipeline", pipeline, "--slots", "1", "--log-level", "error"),
        ]
    )
    taken = []
    try:
        for number in range(ROUNDS + 1):
            path = chest_ct(here / "one" / str(number), slices=1, rows=64, columns=64, seed=number).paths[0]
            begin = time.time()
            inbox.put(f"{number}.dcm", path)
            taken.append(started(here / "home", number + 1) - begin)
    finally:
        engine.terminate()
        engine.wait()
    yield (
        "upload and event to step started, median",
        f"{statistics.median(taken[1:]):.2f} s",
        "bar 1 s; quiet 0 s",
    )
    yield "  the longest of them", f"{max(taken[1:]):.2f} s", f"{ROUNDS} series"


def started(home: Path, wanted: int) -> float:
    """When the newest attempt began, once there are so many."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        time.sleep(0.3)
        with hilum.open(home) as opened:
            found = opened.query("SELECT count(*) AS n, max(started_at) AS newest FROM attempts").to_pylist()
        if found[0]["n"] >= wanted:
            newest: float = found[0]["newest"].timestamp()
            return newest
    raise TimeoutError


def main() -> None:
    """Print the figures."""
    if "--consume" in sys.argv:
        address, home, wanted = sys.argv[2:5]
        consume(address, home, int(wanted))
        return
    for what, figure, beside in rows():
        print(f"  {what:<44} {figure:>14}   {beside}", flush=True)


if __name__ == "__main__":
    main()
