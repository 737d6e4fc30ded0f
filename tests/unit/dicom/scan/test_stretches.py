"""What a scanner learnt of other headers never shows in what it says of this one."""

from __future__ import annotations

import random
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beds.real import real_file
from hilum.dicom.scan import Scanner, Unsure
from hilum.dicom.scan.feed import whole
from hilum.dicom.scan.row import RowForm
from hilum.dicom.scan.walk import Walk
from hilum.errors import HilumError

Answer = tuple[str, dict[str, object]] | str


class Reader:
    """A scanner of rows that counts the elements which it had to walk one by one."""

    def __init__(self) -> None:
        self.form = RowForm()
        self.scanner = Scanner(self.form)

    def read(self, data: bytes) -> Answer:
        try:
            scanned = self.scanner.scan(whole(data))
        except (Unsure, HilumError) as error:
            return type(error).__name__
        return self.form.finish(scanned.parts, scanned.others)


def series(count: int, *, implicit: bool = False) -> list[bytes]:
    """Headers of a real CT that differ as those of a series do."""
    dataset = pydicom.dcmread(real_file("CT_small.dcm"))
    made = []
    for number in range(count):
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{1000 + number}"
        dataset.InstanceNumber = number
        dataset.ImagePositionPatient = [-125.5, -100.25, number * 1.25]
        path = pydicom.filebase.DicomBytesIO()
        syntax = pydicom.uid.ImplicitVRLittleEndian if implicit else pydicom.uid.ExplicitVRLittleEndian
        dataset.file_meta.TransferSyntaxUID = syntax
        pydicom.dcmwrite(path, dataset, implicit_vr=implicit, little_endian=True)
        made.append(path.getvalue())
    return made


@pytest.mark.parametrize("implicit", [False, True])
def test_most_of_a_series_is_taken_over_after_a_few_instances(
    implicit: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    walks: list[Walk] = []
    run = Walk.run

    def spied(walk: Walk, *arguments: object) -> None:
        walks.append(walk)
        run(walk, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Walk, "run", spied)
    reader, headers = Reader(), series(6, implicit=implicit)
    for data in headers:
        reader.read(data)
    assert walks[-1].familiar > 200


@pytest.mark.parametrize("implicit", [False, True])
def test_a_learned_scanner_says_of_a_series_what_a_new_one_does(implicit: bool) -> None:
    learned = Reader()
    for data in series(8, implicit=implicit):
        assert learned.read(data) == Reader().read(data)


def test_series_may_be_interleaved() -> None:
    learned = Reader()
    others = [
        real_file(name).read_bytes() for name in ("MR_small.dcm", "examples_overlay.dcm", "693_J2KI.dcm")
    ]
    for data in series(6):
        for each in (data, *others):
            assert learned.read(each) == Reader().read(each)


LEARNED = Reader()
HEADERS = series(5)
for each in HEADERS:
    LEARNED.read(each)


@pytest.mark.slow
@given(st.integers(132, 6000), st.integers(0, 255), st.integers(0, 4))
def test_a_byte_that_is_another_is_seen_wherever_it_is(place: int, byte: int, which: int) -> None:
    data = HEADERS[which]
    changed = data[:place] + bytes([byte]) + data[place + 1 :]
    assert LEARNED.read(changed) == Reader().read(changed)
    assert LEARNED.read(data) == Reader().read(data)


@given(st.integers(132, 6000), st.integers(1, 40))
def test_a_piece_that_is_missing_is_missed(place: int, length: int) -> None:
    changed = HEADERS[0][:place] + HEADERS[0][place + length :]
    assert LEARNED.read(changed) == Reader().read(changed)


@pytest.mark.slow
def test_real_files_in_any_order_give_what_they_give_alone() -> None:
    files = sorted(Path(pydicom.data.__file__).parent.joinpath("test_files").glob("*.dcm"))
    alone = {path: Reader().read(path.read_bytes()) for path in files}
    reader = Reader()
    for seed in range(2):
        for path in random.Random(seed).sample(files, len(files)):
            assert reader.read(path.read_bytes()) == alone[path], path.name
