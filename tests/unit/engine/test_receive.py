"""Reading objects of a bucket of which somebody has told: what he says of them may be wrong, or of yesterday."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from beds.faults import Changed, faulty
from beds.gcs import CloudStorage
from hilum.dicom.phantom import chest_ct
from hilum.engine.receive import receive_all
from hilum.kernel.clock import ManualClock
from hilum.model.arrival import Arrival
from hilum.model.content import Attested
from hilum.storage import open_storage
from hilum.storage.gcs.listing import entry_at

WRONG = Attested("AAAAAA==", "AAAAAAAAAAAAAAAAAAAAAA==")


@pytest.fixture
def arrival(bucket: str, tmp_path: Path) -> Arrival:
    """A small object as its bucket tells of it: it is read whole at once."""
    path = chest_ct(tmp_path, slices=1, rows=16, columns=16).paths[0]
    open_storage(f"gs://{bucket}").put_file("a.dcm", path)
    entry = entry_at(f"gs://{bucket}/a.dcm")
    return Arrival(entry.uri, entry.size, entry.version, ManualClock().now(), "pubsub", entry.attested)


def test_a_checksum_that_somebody_claims_and_that_does_not_hold_is_looked_up(arrival: Arrival) -> None:
    [right] = receive_all([arrival])
    assert right.instance is not None
    assert receive_all([replace(arrival, attested=WRONG)]) == [right]
    assert receive_all([replace(arrival, attested=WRONG, size=arrival.size + 1)])[-1] == right


def test_one_object_that_always_comes_damaged_is_its_own_outcome_and_the_others_are_read(
    arrival: Arrival,
    bucket: str,
    cloud_storage: CloudStorage,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    other = chest_ct(tmp_path / "other", slices=2, rows=16, columns=16).paths[1]
    open_storage(f"gs://{bucket}").put_file("b.dcm", other)
    entry = entry_at(f"gs://{bucket}/b.dcm")
    good = Arrival(entry.uri, entry.size, entry.version, arrival.arrived_at, "pubsub", entry.attested)
    with faulty(cloud_storage.host) as proxy:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.host)
        damage = Changed({b"DICM": b"DICM", b"ORIGINAL": b"0RIGINAL"}, on_the_way_back=True)
        proxy.rule = lambda request: damage if request.path.endswith("a.dcm") else None
        first, second = receive_all([arrival, good])
    assert (first.problem, first.ignored, first.digest) == ("checksum-mismatch", False, "")
    assert second.instance is not None
