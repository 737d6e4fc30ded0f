"""What is named: by hand it has to be there, in a list it need not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from beds.archives import gzipped_tar, zipped
from hilum.errors import UsageError
from hilum.kernel.clock import ManualClock
from hilum.model.arrival import Arrival
from hilum.sources.inputs import Inputs, named


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """A folder with files in two folders, and an archive."""
    for name in ("a.dcm", "b.txt", "sub/c.dcm", "sub/deep/d.dcm"):
        (tmp_path / "scans" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "scans" / name).write_text(name)
    (tmp_path / "scans" / "e.zip").write_bytes(zipped({"x/1": b"one", "2": b"two!"}))
    return tmp_path / "scans"


def arrivals(
    *wanted: str | Path, manifests: tuple[str | Path, ...] = (), skip: Path | None = None
) -> list[Arrival]:
    source = Inputs(wanted, ManualClock(), manifests=manifests, skip=[skip] if skip else [])
    return list(source.scan())


def names(found: list[Arrival], below: Path) -> list[str]:
    return [arrival.uri.removeprefix(f"{below.as_uri()}/") for arrival in found]


def test_folders_files_and_patterns_can_be_mixed(scans: Path) -> None:
    found = arrivals(scans / "sub" / "deep", f"{scans}/*.dcm", scans / "b.txt")
    assert names(found, scans) == ["sub/deep/d.dcm", "a.dcm", "b.txt"]


def test_two_stars_reach_any_depth(scans: Path) -> None:
    assert names(arrivals(f"{scans}/**/*.dcm"), scans) == ["a.dcm", "sub/c.dcm", "sub/deep/d.dcm"]


def test_what_is_named_twice_comes_once(scans: Path) -> None:
    everything = names(arrivals(scans), scans)
    assert names(arrivals(f"{scans}/**"), scans) == everything
    assert names(arrivals(scans, scans / "a.dcm", scans / "sub" / "c.dcm", scans), scans) == everything


def test_a_name_with_brackets_is_a_name_where_there_is_such_a_file(scans: Path) -> None:
    (scans / "a[1].dcm").write_text("x")
    assert names(arrivals(scans / "a[1].dcm"), scans) == ["a%5B1%5D.dcm"]


def test_the_home_is_left_out_of_a_pattern_too(scans: Path) -> None:
    found = arrivals(f"{scans}/*", skip=scans / "sub")
    assert names(found, scans) == ["a.dcm", "b.txt", "e.zip"]


@pytest.mark.parametrize("wanted", ["nowhere", "no*where", "nowhere/**/*.dcm"])
def test_a_path_or_pattern_that_means_nothing_is_wrong_use(scans: Path, wanted: str) -> None:
    with pytest.raises(UsageError) as caught:
        named([scans / wanted])
    assert caught.value.reason == "no-such-path"


def test_an_address_is_taken_whoever_wrote_it(scans: Path) -> None:
    written_otherwise = f"file://{scans}/sub/../%61.dcm"
    assert names(arrivals(written_otherwise), scans) == ["a.dcm"]


def test_a_member_can_be_named_alone(scans: Path) -> None:
    archive = (scans / "e.zip").as_uri()
    (found,) = arrivals(f"{archive}!/x%2F1")
    assert found.uri == f"{archive}!/x/1"
    assert found.size == 3
    assert "/" in found.version


def test_members_that_are_named_come_as_they_lie_in_the_archive(scans: Path) -> None:
    archive = scans / "f.tar.gz"
    archive.write_bytes(gzipped_tar({str(number): b"1" for number in range(5)}))
    manifest = scans.parent / "list"
    manifest.write_text("".join(f"{archive.as_uri()}!/{name}\n" for name in ("4", "gone", "1")))
    found = arrivals(manifests=(manifest,))
    assert names(found, archive.parent) == ["f.tar.gz!/1", "f.tar.gz!/4", "f.tar.gz!/gone"]
    assert found[2].size == 0


def test_a_list_is_read_from_its_own_folder(scans: Path, tmp_path: Path, monkeypatch) -> None:
    (scans / "list.txt").write_text(f"# what to take\n\na.dcm\n  sub  \n{scans}/b.txt\n")
    monkeypatch.chdir(tmp_path)
    assert names(arrivals(manifests=("scans/list.txt",)), scans) == [
        "a.dcm",
        "sub/c.dcm",
        "sub/deep/d.dcm",
        "b.txt",
    ]


def test_what_a_list_names_and_is_not_there_is_an_arrival(scans: Path) -> None:
    (scans / "list").write_text("gone.dcm\ns3://bucket/object\nb.txt\ngone.zip\n")
    found = arrivals(manifests=(scans / "list",))
    assert names(found, scans) == ["gone.dcm", "s3://bucket/object", "b.txt", "gone.zip"]
    assert [arrival.size for arrival in found] == [0, 0, 5, 0]


def test_a_list_that_cannot_be_read_is_wrong_use(scans: Path) -> None:
    with pytest.raises(UsageError) as caught:
        arrivals(manifests=(scans / "nolist",))
    assert caught.value.reason == "manifest-file"


def test_names_of_any_bytes_come_through_a_list(scans: Path) -> None:
    odd = os.fsdecode(b"latin \xe9\xff.dcm")
    (scans / odd).write_text("x")
    (scans / "list").write_bytes(b"latin \xe9\xff.dcm\n")
    (found,) = arrivals(manifests=(scans / "list",))
    assert (found.uri, found.size) == ((scans / odd).as_uri(), 1)
