"""A sweep: `hilum sweep` over a bucket whose objects the ledger knows, but for one in a hundred.

``PYTHONPATH=tests python -m benchmarks.cloud_sweep [--quick]``. The objects lie below the storage server as files
that it takes for its own. It walks through all of them for each page, and its pages are as large as they are asked
for, where Cloud Storage's have 1,000 objects. So what the same pages take by plain HTTP is shown beside the figure.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from hashlib import md5
from pathlib import Path
from typing import Any

import hilum
from beds.gcs import CloudStorage, built
from beds.real import real_file
from hilum.engine.intake import BATCH
from hilum.engine.receive import batches, received
from hilum.kernel.clock import SystemClock
from hilum.model.arrival import Arrival, Received
from hilum.model.content import Attested
from hilum.storage.gcs.client import Crc32c
from hilum.storage.gcs.listing import PAGE

OBJECTS = 5_000 if "--quick" in sys.argv else 100_000
LOST = 100
"""One in so many was never told of."""
SERIES = 500
FIRST = 10_000
"""Added to a number to make the last part of a UID, which begins with no zero."""
METADATA = "user.metadata"
SHOWN = "fields=items(name,size,generation,md5Hash,crc32c,timeCreated),nextPageToken"


def main() -> None:
    """Print the figures."""
    program = built()
    assert program is not None, "Go is needed to build the storage server"
    server = CloudStorage(program)
    os.environ["STORAGE_EMULATOR_HOST"] = server.host
    try:
        with tempfile.TemporaryDirectory(prefix="hilum-bench-") as folder:
            bucket = server.create_bucket()
            fill(server, bucket)
            know(Path(folder) / "home", bucket)
            bare = listed(server, bucket)
            first, found, peak = swept(Path(folder) / "home", bucket)
            again, nothing, _ = swept(Path(folder) / "home", bucket)
    finally:
        server.stop()
    assert (found, nothing) == (OBJECTS // LOST, 0)
    show(f"sweep of {OBJECTS:,} objects, {found:,} found and read", f"{first:.1f} s", "bar 60 s")
    show("  again, where nothing was lost", f"{again:.1f} s", "")
    show("  of that the server's listing by plain HTTP", f"{bare:.1f} s", f"in pages of {PAGE:,}")
    show("  the most memory", f"{peak >> 20} MiB", "of the process that sweeps")


def fill(server: CloudStorage, bucket: str) -> None:
    """Objects as the server would have written them: the same CT, each an instance of its own."""
    from google.cloud import storage

    content = real_file("CT_small.dcm").read_bytes()
    uid = str(header(content).sop_instance_uid).encode()
    root = server.folder / "objects" / bucket
    storage.Client(project="bench").bucket(bucket).blob("seed").upload_from_string(content)
    told = json.loads(os.getxattr(root / "seed", METADATA))
    (root / "seed").unlink()
    for number in range(OBJECTS):
        path = root / name(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        lost = number % LOST == 0
        data = content.replace(uid, other(uid, number // LOST)) if lost else b""
        path.write_bytes(data)
        told |= {"Crc32c": attested(data).crc32c, "Md5Hash": attested(data).md5, "Generation": number + 1}
        os.setxattr(path, METADATA, json.dumps(told).encode())


def know(home: Path, bucket: str) -> None:
    """Take in those that were told of."""
    content = real_file("CT_small.dcm")
    with content.open("rb") as stream:
        arrival = Arrival(f"gs://{bucket}/x", content.stat().st_size, "1", SystemClock().now(), "pubsub")
        read = received(arrival, stream)
    with hilum.open(home) as opened:
        for batch in batches(known(read, bucket), BATCH):
            opened.ledger.record_arrivals(batch, opened.clock.now())


def known(read: Received, bucket: str) -> Iterator[Received]:
    instance = read.instance
    assert instance is not None
    for number in range(OBJECTS):
        if number % LOST == 0:
            continue
        uri = f"gs://{bucket}/{name(number)}"
        uid, series = (
            f"{instance.sop_instance_uid}.{number}",
            f"{instance.series_instance_uid}.{number // SERIES}",
        )
        yield replace(
            read,
            arrival=replace(read.arrival, uri=uri, size=0, version=str(number + 1)),
            instance=replace(instance, sop_instance_uid=uid, series_instance_uid=series, uri=uri, size=0),
        )


def listed(server: CloudStorage, bucket: str) -> float:
    """Seconds that the server takes for all pages, asked by plain HTTP."""
    begin, token, count = time.perf_counter(), "", 0
    while True:
        address = (
            f"{server.host}/storage/v1/b/{bucket}/o?prefix=in/&maxResults={PAGE}&{SHOWN}&pageToken={token}"
        )
        with urllib.request.urlopen(address) as answer:
            page: dict[str, Any] = json.load(answer)
        count += len(page["items"])
        token = page.get("nextPageToken", "")
        if not token:
            break
    assert count == OBJECTS
    return time.perf_counter() - begin


def swept(home: Path, bucket: str) -> tuple[float, int, int]:
    """Seconds of the command, how many objects it found, and the most memory of its process, bytes."""
    program = Path(sys.executable).with_name("hilum")
    begin = time.perf_counter()
    command: list[str | Path] = [program, "--home", home, "sweep", f"gs://{bucket}/in", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.read())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    assert told["listed"] == OBJECTS
    return time.perf_counter() - begin, sum(told["found"].values()), usage.ru_maxrss << 10


def header(content: bytes) -> Any:
    from io import BytesIO

    from hilum.dicom.header import read_header

    return read_header(Path(), BytesIO(content))


def name(number: int) -> str:
    return f"in/{number // SERIES:04d}/{number:06d}.dcm"


def other(uid: bytes, number: int) -> bytes:
    """A UID of the same length."""
    return uid[:-5] + str(FIRST + number).encode()


def attested(data: bytes) -> Attested:
    checksum = Crc32c()
    checksum.update(data)
    return Attested(checksum.text, b64encode(md5(data, usedforsecurity=False).digest()).decode())


def show(what: str, figure: str, beside: str) -> None:
    print(f"  {what:<52} {figure:>10}   {beside}", flush=True)


if __name__ == "__main__":
    main()
