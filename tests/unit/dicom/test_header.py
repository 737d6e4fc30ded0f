"""Reading headers: identity, and one reason for each fault."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
)

from beds.headers import CT, instance, written
from hilum.dicom import reader
from hilum.dicom.header import Header, open_object, read_header
from hilum.errors import HilumError, IgnoredError, UnreadableError

SYNTAXES = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
]
PREFIX = bytes(128) + b"DICM"


def read(data: bytes) -> Header:
    return read_header(Path("unused"), io.BytesIO(data))


def row(header: Header) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(header.row)
    return found


def refusal(data: bytes) -> HilumError:
    with pytest.raises(HilumError) as caught:
        read(data)
    return caught.value


def reason(data: bytes) -> str:
    return refusal(data).reason


def with_pixels(length: int = 64, **attributes: object) -> Dataset:
    dataset = instance(Rows=4, Columns=8, BitsAllocated=16, **attributes)
    dataset.add_new(0x7FE00010, "OW", bytes(length))
    return dataset


def encapsulated() -> bytes:
    dataset = instance()
    dataset.add_new(0x7FE00010, "OB", encapsulate([b"\xff\xd8first.", b"\xff\xd8second"]))
    dataset["PixelData"].is_undefined_length = True
    return written(dataset, JPEGBaseline8Bit)


class TestAnInstance:
    @pytest.mark.parametrize("syntax", SYNTAXES)
    def test_is_read_in_every_encoding(self, syntax: str) -> None:
        header = read(written(with_pixels(PatientID="p"), syntax))
        assert (header.sop_instance_uid, header.series_instance_uid) == ("1.2.3.1", "1.2.3.2")
        assert (header.study_instance_uid, header.sop_class_uid) == ("1.2.3.3", "1.2.840.10008.5.1.4.1.1.2")
        assert header.transfer_syntax_uid == syntax
        assert header.facts["PatientID"] == row(header)["PatientID"] == "p"

    @pytest.mark.parametrize("syntax", SYNTAXES[:3])
    def test_is_read_without_preamble_and_file_meta(self, syntax: str) -> None:
        header = read(written(with_pixels(), syntax, preamble=False))
        assert (header.sop_instance_uid, header.transfer_syntax_uid) == ("1.2.3.1", syntax)

    def test_has_its_file_meta_in_facts_and_row(self) -> None:
        header = read(written(instance()))
        assert header.facts["TransferSyntaxUID"] == header.transfer_syntax_uid == ExplicitVRLittleEndian

    def test_without_pixels_is_an_instance_like_any_other(self) -> None:
        assert read(written(instance(ContentLabel="REPORT"))).facts["ContentLabel"] == "REPORT"

    def test_may_be_padded_with_zeros(self) -> None:
        assert read(written(instance()) + bytes(3)).sop_instance_uid == "1.2.3.1"
        assert read(written(instance()) + bytes(1024)).sop_instance_uid == "1.2.3.1"

    def test_may_have_a_header_larger_than_the_first_window(self) -> None:
        items = [instance(StudyDescription="d" * 64) for _ in range(reader.WINDOW // 64)]
        dataset = with_pixels(ReferencedSeriesSequence=items, PatientID="after the window")
        for undefined in (False, True):
            dataset["ReferencedSeriesSequence"].is_undefined_length = undefined
            header = read(written(dataset))
            assert len(row(header)["ReferencedSeriesSequence"]) == len(items)
            assert row(header)["Rows"] == 4

    def test_may_have_pixels_larger_than_the_first_window(self) -> None:
        assert row(read(written(with_pixels(3 * reader.WINDOW))))["Rows"] == 4

    def test_may_have_values_too_large_to_be_kept_in_memory(self) -> None:
        text = "x" * (reader.BULK + 1)
        dataset = with_pixels(TextValue=text, EncapsulatedDocument=bytes(2 * reader.BULK))
        for syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian):
            header = read(written(dataset, syntax))
            assert row(header)["TextValue"] == text
            assert "TextValue" not in header.facts
            assert row(header)["Rows"] == 4

    def test_may_have_encapsulated_pixels(self) -> None:
        assert read(encapsulated()).transfer_syntax_uid == JPEGBaseline8Bit

    def test_leaves_the_callers_stream_open(self) -> None:
        stream = io.BytesIO(written(instance()))
        stream.read(10)
        read_header(Path("unused"), stream)
        assert not stream.closed


class TestWhatIsNoInstanceByNature:
    @pytest.mark.parametrize(
        "data",
        [
            b"x",
            b"Dear colleague,\n" * 40,
            bytes(4096),
            b"\x89PNG\r\n\x1a\n" + bytes(400),
            b"\x08\x00",
            PREFIX[:131],
        ],
    )
    def test_is_ignored_as_not_dicom(self, data: bytes) -> None:
        assert isinstance(refusal(data), IgnoredError)
        assert reason(data) == "not-dicom"

    def test_a_dicomdir_is_ignored(self) -> None:
        for path in (CT.parent / "dicomdirtests").glob("DICOMDIR*"):
            with pytest.raises(IgnoredError) as caught:
                read_header(path)
            assert caught.value.reason == "dicomdir"

    def test_a_dicomdir_is_known_without_its_file_meta(self) -> None:
        dataset = Dataset()
        dataset.SpecificCharacterSet = "ISO_IR 100"
        dataset.DirectoryRecordSequence = [Dataset()]
        assert reason(written(dataset, preamble=False)) == "dicomdir"


class TestWhatIsCut:
    def test_an_empty_object_is_its_own_fault(self) -> None:
        assert reason(b"") == "empty"

    @pytest.mark.parametrize("syntax", SYNTAXES)
    @pytest.mark.parametrize("lost", [2, 7, 40])
    def test_pixels_that_end_early_are_truncated(self, syntax: str, lost: int) -> None:
        assert reason(written(with_pixels(), syntax)[:-lost]) == "truncated"

    def test_pixels_beyond_the_first_window_that_end_early_are_truncated(self) -> None:
        assert reason(written(with_pixels(3 * reader.WINDOW))[:-1]) == "truncated"

    @pytest.mark.parametrize("lost", [1, 8, 9, 20, 24])
    def test_fragments_that_end_early_are_truncated(self, lost: int) -> None:
        assert reason(encapsulated()[:-lost]) == "truncated"

    @pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
    @pytest.mark.parametrize("undefined", [True, False])
    def test_a_header_cut_anywhere_but_between_elements_is_truncated(
        self, syntax: str, undefined: bool
    ) -> None:
        item = Dataset()
        item.CodeValue = "T-1"
        dataset = instance(ProcedureCodeSequence=[item], PatientID="patient")
        dataset["ProcedureCodeSequence"].is_undefined_length = undefined
        whole = written(dataset, syntax)
        meta = len(whole) - len(written(dataset, syntax, preamble=False))
        boundaries = {meta + end for end in element_ends(whole[meta:], syntax)}
        for end in range(meta + 1, len(whole)):
            found = reason(whole[:end])
            assert found == ("missing-uid" if end in boundaries else "truncated"), end

    def test_nothing_after_the_prefix_or_the_file_meta_is_truncated(self) -> None:
        whole = written(instance())
        meta = len(whole) - len(written(instance(), preamble=False))
        assert reason(PREFIX) == reason(whole[:meta]) == "truncated"


def element_ends(data: bytes, syntax: str) -> set[int]:
    """Where the elements of the top level end, as pydicom finds them."""
    dataset = pydicom.dcmread(io.BytesIO(data), force=True)
    starts = []
    for element in dataset.values():
        long_form = element.VR == "SQ" and syntax == ExplicitVRLittleEndian
        starts.append((getattr(element, "value_tell", 0) or element.file_tell) - (12 if long_form else 8))
    return set(starts)


class TestIdentity:
    @pytest.mark.parametrize(
        "keyword", ["SOPInstanceUID", "SOPClassUID", "SeriesInstanceUID", "StudyInstanceUID"]
    )
    def test_every_uid_is_needed(self, keyword: str) -> None:
        assert reason(written(instance(**{keyword: None}), preamble=False)) == "missing-uid"
        assert reason(written(instance(**{keyword: ""}), preamble=False)) == "missing-uid"

    @pytest.mark.parametrize("uid", ["../..", "1.2/../3", "1." + "2" * 63, "hello", "1..2"])
    def test_every_uid_must_be_well_formed(self, uid: str) -> None:
        dataset = instance()
        dataset.add_new(0x0020000E, "LO", uid)
        assert reason(written(dataset)) == "invalid-uid"
        assert uid not in str(refusal(written(dataset)))

    def test_two_uids_are_not_one(self) -> None:
        assert reason(written(instance(SeriesInstanceUID=["1.2", "1.3"]))) == "invalid-uid"


class TestWhatMakesNoSense:
    @pytest.mark.parametrize(
        "data",
        [
            PREFIX + b"Dear colleague,\n" * 40,
            PREFIX + bytes(4096),
            PREFIX + bytes(range(256)) * 4,
            written(instance()) + b"rubbish at the end of it",
        ],
    )
    def test_is_a_corrupt_header(self, data: bytes) -> None:
        assert reason(data) == "corrupt-header"

    def test_fragments_that_are_none_are_corrupt(self) -> None:
        data = encapsulated()
        assert reason(data.replace(b"\xfe\xff\x00\xe0", b"\xfe\xff\x01\xe0")) == "corrupt-header"

    def test_deflated_bytes_that_do_not_inflate_are_corrupt(self) -> None:
        whole = written(instance(), DeflatedExplicitVRLittleEndian)
        meta = 144 + int.from_bytes(whole[140:144], "little")
        assert reason(whole[:meta] + b"\xff" * 40) == "corrupt-header"

    def test_a_value_that_ends_outside_its_sequence_is_corrupt(self) -> None:
        item = Dataset()
        item.CodeValue = "T-1"
        data = written(instance(ProcedureCodeSequence=[item]))
        assert reason(data.replace(b"SH\x04\x00T-1", b"SH\x40\x00T-1")) == "corrupt-header"


@contextmanager
def without_privileges() -> Iterator[None]:
    """Be nobody for a while where we are root, who may read everything."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(was)


class TestFiles:
    def test_a_file_is_read(self) -> None:
        assert read_header(CT).facts["Modality"] == "CT"

    def test_a_missing_file_is_unreadable(self, tmp_path: Path) -> None:
        with pytest.raises(UnreadableError) as caught:
            read_header(tmp_path / "gone")
        assert caught.value.reason == "unreadable"

    def test_a_forbidden_file_is_unreadable(self, tmp_path: Path) -> None:
        path = tmp_path / "forbidden"
        path.write_bytes(b"x")
        path.chmod(0)
        with without_privileges(), pytest.raises(UnreadableError) as caught:
            read_header(path)
        assert caught.value.reason == "unreadable"

    @pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
    def test_what_is_no_regular_file_is_never_opened(
        self, make: Callable[[Path], None], tmp_path: Path
    ) -> None:
        make(tmp_path / "thing")
        with pytest.raises(UnreadableError) as caught:
            open_object(tmp_path / "thing")
        assert caught.value.reason == "not-regular"

    def test_a_device_is_never_opened(self) -> None:
        with pytest.raises(UnreadableError) as caught:
            read_header(Path("/dev/zero"))
        assert caught.value.reason == "not-regular"

    def test_a_disk_that_fails_is_unreadable_and_the_message_does_not_name_the_file(self) -> None:
        class Failing(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                raise OSError(5, "Input/output error", "/secret/Doe^John.dcm")

        with pytest.raises(UnreadableError) as caught:
            read_header(Path("unused"), Failing(b"x"))
        assert caught.value.reason == "unreadable"
        assert "Doe" not in str(caught.value)
