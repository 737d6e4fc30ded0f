"""Archives in place: every member of every kind, and nothing that an archive may do to a machine."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import warnings
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beds.archives import (
    KINDS,
    crowded_zip,
    encrypted,
    gzipped_tar,
    overlapping_zip,
    streamed_zip,
    tar_header,
    tarred,
    zeros_zip,
    zipped,
    zstandard_tar,
)
from hilum.errors import IgnoredError, TerminalError
from hilum.storage.archives import ArchiveFault, Limits, kind_of, members
from hilum.storage.objects import open_member

FILES = {"a.dcm": b"first", "b/c d.dcm": b"second" * 5000, "b/empty": b""}
SMALL = Limits(members=4, member=1000, name=100)
Read = tuple[dict[str, bytes | str], str]


def read(name: str, archive: bytes, limits: Limits | None = None) -> Read:
    """Members by name, each with its content or why there is none, and what is wrong with the archive."""
    found: dict[str, bytes | str] = {}
    stream, uri = io.BytesIO(archive), f"file:///x/{name}"
    inside = members(uri, stream, len(archive), limits)
    if inside is None:
        return found, "none"
    try:
        for member in inside:
            opened = open_member(member, stream)
            content = opened.reason if isinstance(opened, TerminalError) else opened.read()
            found[member.uri.removeprefix(f"{uri}!/")] = content
            if isinstance(content, bytes):
                assert member.size == len(content)
    except ArchiveFault as fault:
        return found, fault.reason
    return found, ""


def tar_of(*headers: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for header in headers:
            archive.addfile(header, io.BytesIO(bytes(header.size)))
    return buffer.getvalue()


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_gives_every_member(name: str) -> None:
    expected = {"a.dcm": FILES["a.dcm"], "b/c%20d.dcm": FILES["b/c d.dcm"], "b/empty": b""}
    assert read(name, KINDS[name](FILES)) == (expected, "")


def test_an_object_that_is_compressed_alone_is_a_member_without_the_ending() -> None:
    assert read("A b.DCM.GZ", gzip.compress(b"content")) == ({"A%20b.DCM": b"content"}, "")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.zip", "sought-in"),
        ("a.TAR", "sought-in"),
        ("a.tar.gz", "passing"),
        ("a.Tgz", "passing"),
        ("a.tar.zst", "passing"),
        ("a.dcm.gz", "alone"),
        ("a.dcm", None),
        ("a.zip!/b.zip", None),
        ("zip", None),
    ],
)
def test_a_name_says_what_kind_to_expect(name: str, kind: str | None) -> None:
    assert kind_of(f"file:///x/{name}") == kind


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tar.zst", "a.gz"])
def test_a_file_of_another_content_is_no_archive_whatever_its_name(name: str) -> None:
    assert read(name, b"\0" * 128 + b"DICM" + b"\1" * 600) == ({}, "none")


def test_folders_are_no_members() -> None:
    assert read("a.tar", tar_of(tar_header("d", kind=tarfile.DIRTYPE), tar_header("./d/a", 3))) == (
        {"d/a": b"\0" * 3},
        "",
    )
    assert read("a.zip", zipped({"d/": b"", "d/a": b"1"})) == ({"d/a": b"1"}, "")


def test_a_name_that_comes_again_has_an_address_of_its_own() -> None:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as archive:
        warnings.simplefilter("ignore")
        for content in ("one", "two", "three"):
            archive.writestr("a", content)
    assert read("a.zip", buffer.getvalue())[0] == {"a": b"one", "a!2": b"two", "a!3": b"three"}


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_and_names_in_any_encoding_come_back(form: int) -> None:
    name = f"{'d/' * 120}Müller"
    found, fault = read("a.tar", tarred({name: b"1"}, form))
    assert (list(found), fault) == ([f"{'d/' * 120}M%C3%BCller"], "")


def test_sizes_beyond_octal_digits_are_understood() -> None:
    archive = bytearray(tarred({"a": b"12345"}, tarfile.GNU_FORMAT))
    archive[124:136] = b"\x80" + (5).to_bytes(11, "big")
    archive[148:156] = b" " * 8
    archive[148:156] = b"%06o\0 " % sum(archive[:512])
    assert read("a.tar", bytes(archive)) == ({"a": b"12345"}, "")


@pytest.mark.parametrize("name", ["../a", "d/../../a", "/etc/passwd", "..\\a", "\\a", "C:\\a", "C:/a"])
@pytest.mark.parametrize("make", [zipped, tarred])
def test_a_name_that_leads_out_is_refused_and_the_next_member_is_not(name, make) -> None:
    found, fault = read("a.zip" if make is zipped else "a.tar", make({name: b"1", "b": b"2"}))
    assert sorted(found.values(), key=str) == [b"2", "member-outside"]
    assert fault == ""


def test_a_long_name_is_refused() -> None:
    found, _ = read("a.zip", zipped({"n" * 101: b"1", "b": b"2"}), SMALL)
    assert found == {"n" * 100: "member-name-too-long", "b": b"2"}


def test_links_and_devices_are_neither_followed_nor_made() -> None:
    archive = tar_of(
        tar_header("soft", kind=tarfile.SYMTYPE, target="/etc/passwd"),
        tar_header("hard", kind=tarfile.LNKTYPE, target="../outside"),
        tar_header("device", kind=tarfile.CHRTYPE),
        tar_header("fifo", kind=tarfile.FIFOTYPE),
        tar_header("file", 1),
    )
    assert read("a.tar", archive) == (
        {
            "soft": "member-link",
            "hard": "member-link",
            "device": "not-regular",
            "fifo": "not-regular",
            "file": b"\0",
        },
        "",
    )


def test_a_link_in_a_zip_is_not_followed_either() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        header = zipfile.ZipInfo("soft")
        header.external_attr = 0o120777 << 16
        archive.writestr(header, "/etc/passwd")
    assert read("a.zip", buffer.getvalue()) == ({"soft": "member-link"}, "")


def test_a_link_is_no_fault_of_the_archive() -> None:
    archive = tar_of(tar_header("soft", kind=tarfile.SYMTYPE, target="a"))
    (member,) = members("file:///a.tar", io.BytesIO(archive), len(archive)) or ()
    assert isinstance(member.fault, IgnoredError)


def test_an_archive_in_an_archive_is_refused() -> None:
    inner = {"in.zip": zipped(FILES), "in.dcm.gz": gzip.compress(b"1"), "a": b"2"}
    assert read("a.zip", zipped(inner))[0] == {
        "in.zip": "member-archive",
        "in.dcm.gz": "member-archive",
        "a": b"2",
    }


def test_a_member_with_holes_is_refused_and_the_next_is_found() -> None:
    sparse = tar_header("holes", 512)
    sparse.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
    assert read("a.tar", tar_of(sparse, tar_header("b", 1))) == (
        {"holes": "member-sparse", "b": b"\0"},
        "",
    )


def test_an_unusual_compression_is_told() -> None:
    assert read("a.zip", zipped({"a": b"1"}, zipfile.ZIP_LZMA)) == ({"a": "member-method"}, "")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_member_whose_bytes_changed_is_told_from_the_others(method: int) -> None:
    archive = bytearray(zipped({"a": bytes(range(200)), "b": b"2"}, method))
    archive[60] ^= 0xFF
    assert read("a.zip", bytes(archive)) == ({"a": "member-corrupt", "b": b"2"}, "")


def test_encrypted_members_are_told_once_and_the_others_are_had() -> None:
    assert read("a.zip", encrypted(zipped(FILES))) == ({}, "archive-encrypted")
    mixed = zipped(FILES)
    at = mixed.index(b"PK\x01\x02")
    mixed = mixed[: at + 8] + b"\1" + mixed[at + 9 :]
    found, fault = read("a.zip", mixed)
    assert (sorted(found), fault) == (["b/c%20d.dcm", "b/empty"], "archive-encrypted")


@pytest.mark.parametrize("name", [*KINDS, "one.gz"])
def test_an_archive_that_was_cut_gives_what_came_before(name: str) -> None:
    contents = {f"{number}": bytes(range(256)) * 4 for number in range(40)}
    whole = gzip.compress(contents["0"]) if name == "one.gz" else KINDS[name](contents)
    for left in (20, len(whole) // 2, len(whole.rstrip(b"\0")) - 5):
        found, fault = read(name, whole[:left])
        assert fault in ("archive-truncated", "none")
        assert all(content == contents[name] for name, content in found.items())
    if name.endswith((".zip", ".ZIP", ".tar")):
        assert 15 < len(read(name, whole[: len(whole) // 2])[0]) < 25


def test_a_tar_that_was_cut_between_members_is_not_taken_for_a_whole_one() -> None:
    assert read("a.tar", tarred(FILES, tarfile.USTAR_FORMAT)[:1024]) == (
        {"a.dcm": b"first"},
        "archive-truncated",
    )


def test_damage_in_the_middle_of_a_tar_is_not_taken_for_its_end() -> None:
    archive = bytearray(tarred({"a": b"1" * 512, "b": b"2" * 512, "c": b"3"}, tarfile.USTAR_FORMAT))
    archive[1024 + 10] ^= 1
    assert read("a.tar", bytes(archive)) == ({"a": b"1" * 512}, "archive-corrupt")


def test_damage_in_a_compressed_tar_is_found_by_its_check_sum() -> None:
    archive = bytearray(gzipped_tar({"a": b"1"}))
    archive[-6] ^= 1
    assert read("a.tar.gz", bytes(archive)) == ({"a": b"1"}, "archive-corrupt")


def test_a_damaged_directory_still_gives_what_headers_lead_to() -> None:
    archive = bytearray(zipped(FILES))
    archive[archive.index(b"PK\x01\x02") + 2] = 9
    found, fault = read("a.zip", bytes(archive))
    assert (len(found), fault) == (3, "archive-corrupt")


def test_a_huge_extended_header_is_never_read() -> None:
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 8 << 30
    assert read("a.tar", header.tobuf(tarfile.GNU_FORMAT)) == ({}, "archive-corrupt")


def test_members_that_share_bytes_are_a_trap() -> None:
    assert read("a.zip", overlapping_zip(bytes(1000), 5)) == ({}, "archive-overlap")


def test_a_zip_with_a_million_members_is_refused_by_their_number() -> None:
    assert read("a.zip", crowded_zip(1_000_000)) == ({}, "archive-too-many-members")


def test_a_directory_with_more_entries_than_its_end_says_is_damaged() -> None:
    archive = crowded_zip(5)
    lie = struct.pack("<QQ", 5, 5)
    assert read("a.zip", archive.replace(lie, struct.pack("<QQ", 2, 2)))[1] == "archive-corrupt"


def test_a_tar_gives_members_up_to_their_limit() -> None:
    files = {f"{number}": b"" for number in range(9)}
    for name in ("a.tar", "a.tar.gz"):
        found, fault = read(name, KINDS["plain.tar" if name == "a.tar" else "gzip.tgz"](files), SMALL)
        assert (len(found), fault) == (4, "archive-too-many-members")


def test_ten_gigabytes_of_zeros_are_refused_by_what_the_directory_says() -> None:
    archive = zeros_zip(10 << 30)
    assert len(archive) < 11 << 20
    assert read("a.zip", archive) == ({}, "archive-bomb")


def test_a_directory_that_lies_about_sizes_does_not_let_a_member_grow() -> None:
    honest = zeros_zip(64 << 20)
    size = struct.pack("<I", 64 << 20)
    lying = honest.replace(size, struct.pack("<I", 1000))
    assert lying != honest
    assert read("a.zip", lying) == ({"0": "member-corrupt"}, "")


def test_a_member_that_is_huge_is_refused_and_the_next_is_had() -> None:
    files = {"huge": bytes(1001), "b": b"1"}
    for name, make in (("a.zip", zipped), ("a.tar.gz", gzipped_tar), ("a.tar.zst", zstandard_tar)):
        assert read(name, make(files), SMALL) == ({"huge": "member-too-large", "b": b"1"}, "")
    assert read("a.gz", gzip.compress(bytes(1001)), SMALL) == ({"a": "member-too-large"}, "")


def test_what_lies_there_uncompressed_may_be_as_large_as_it_is() -> None:
    assert read("a.tar", tarred({"huge": bytes(5000)}), SMALL)[0] == {"huge": bytes(5000)}


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tar.zst", "a.gz"])
def test_a_compressed_file_may_not_expand_beyond_measure(name: str) -> None:
    make = {"a.tar.gz": gzipped_tar, "a.tar.zst": zstandard_tar}
    archive = make[name]({"0": bytes(100_000)}) if name in make else gzip.compress(bytes(100_000))
    limits = Limits(member=1 << 20, ratio=2, slack=2000)
    assert read(name, archive, limits) == ({}, "archive-bomb")


def test_a_cut_zip_does_not_expand_beyond_measure_to_find_its_members() -> None:
    archive = streamed_zip({"a": bytes(1 << 20), "b": b"1"})
    assert read("a.zip", archive[:-30], Limits(ratio=2, slack=2000))[1] == "archive-bomb"


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([*KINDS, "one.gz"]), st.data())
def test_no_bytes_whatsoever_give_another_error(name: str, data: st.DataObject) -> None:
    whole = gzip.compress(b"content") if name == "one.gz" else KINDS[name](FILES)
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    read(name, bytes(changed[: data.draw(st.integers(1, len(whole)))]), Limits(slack=1 << 20))


def test_nothing_is_left_in_the_folder_for_temporary_files(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    files = {"a": bytes(40 << 20), "b": b"1"}
    for name in ("deflated.zip", "gzip.tar.gz"):
        read(name, KINDS[name](files))
    assert list(tmp_path.iterdir()) == []
