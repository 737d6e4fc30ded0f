"""What asks for more than an object may is refused for a reason of its own, by the scanner and by pydicom alike."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from beds.headers import instance, written
from beds.hostile import CASES, element, head, item
from hilum.dicom import limits
from hilum.dicom.header import open_object, read_header
from hilum.errors import HilumError, UnreadableError

SLOW = {
    *("elements_of_8_bytes", "elements_of_8_bytes_in_items", "items_by_the_million"),
    *(
        "items_of_undefined_length_by_the_million",
        "sequences_without_elements",
        "binary_elements_by_the_million",
    ),
    *("two_gibibytes_of_zeros_in_an_endless_sequence", "faults_by_the_hundred_thousand"),
    *("deflated_zeros_within_the_limit", "a_deflate_bomb", "fragments_by_the_million"),
    *(
        "a_text_of_64_mebibytes",
        "a_hundred_texts_as_long_as_they_may_be",
        "the_same_sequence_again_and_again",
    ),
    *("texts_that_json_makes_six_times_as_long", "dates_and_times_by_the_million"),
}
"""Those that take more than a moment to make or to refuse."""
LARGE = SLOW | {
    *("a_text_of_5_mebibytes_in_an_item", "two_gibibytes_of_one_sequence", "an_endless_sequence"),
    *("two_gibibytes_of_zeros_in_an_endless_value", "a_length_of_nearly_32_bits_that_is_there"),
    *("names_by_the_million", "one_name_of_millions", "text_that_switches_sets_at_every_letter"),
}


def reason(path: Path) -> str:
    try:
        read_header(path)
    except HilumError as error:
        return error.reason if error.hint else "no hint"
    return ""


@pytest.mark.parametrize("odd", [False, True], ids=["scanner", "pydicom"])
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in CASES]
)
def test_is_refused_for_its_own_reason(name: str, odd: bool, tmp_path: Path) -> None:
    case = CASES[name]
    case.write(tmp_path / "object", odd)
    assert reason(tmp_path / "object") == (case.odd_reason if odd else case.reason)


LIMITED = """
import resource, sys
from pathlib import Path
from beds.headers import CT
from hilum.dicom.header import read_header
from hilum.errors import HilumError

read_header(CT)
mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (mapped + (256 << 20), -1))
try:
    read_header(Path(sys.argv[1]))
except HilumError as error:
    print(error.reason)
"""


@pytest.mark.slow
@pytest.mark.parametrize("odd", [False, True], ids=["scanner", "pydicom"])
@pytest.mark.parametrize("name", sorted(LARGE))
def test_takes_no_more_than_256_mebibytes(name: str, odd: bool, tmp_path: Path) -> None:
    case = CASES[name]
    case.write(tmp_path / "object", odd)
    said = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LIMITED, str(tmp_path / "object")],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == (case.odd_reason if odd else case.reason)


def test_what_memory_does_not_suffice_for_is_not_called_corrupt() -> None:
    class Full(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise MemoryError

    with pytest.raises(UnreadableError) as caught:
        read_header(Path("unused"), Full(written(instance())))
    assert caught.value.reason == "out-of-memory"


@pytest.mark.parametrize("odd", [False, True], ids=["scanner", "pydicom"])
class TestWhatIsJustWithinItsLimit:
    def read(self, data: bytes) -> str:
        return read_header(Path("unused"), io.BytesIO(data)).row

    def test_a_sequence_may_be_nested_as_deep_as_the_limit(self, odd: bool) -> None:
        inner = element(0x00400275, "SQ", item())
        for _ in range(limits.DEPTH - 1):
            inner = element(0x00400275, "SQ", item(inner))
        assert self.read(head(odd=odd) + inner).count("RequestAttributesSequence") == limits.DEPTH
        with pytest.raises(UnreadableError, match="nested"):
            self.read(head(odd=odd) + element(0x00400275, "SQ", item(inner)))

    def test_a_text_may_be_as_long_as_the_limit(self, odd: bool) -> None:
        text = b"x" * limits.LONGEST_VALUE
        assert text.decode() in self.read(head(odd=odd) + element(0x0040A160, "UT", text))
        with pytest.raises(UnreadableError, match="longer"):
            self.read(head(odd=odd) + element(0x0040A160, "UT", text + b"xx"))

    def test_a_private_creator_may_be_as_long_as_the_limit(self, odd: bool) -> None:
        creator = element(0x00290010, "LO", b"x" * limits.LONGEST_SWITCH)
        assert "Tag_00290010" in self.read(head(odd=odd) + creator)


class Writer(io.FileIO):
    """A file into which somebody writes while it is read."""

    to = 0
    reads = 0

    def read(self, size: int | None = -1) -> bytes:  # type: ignore[override]
        self.reads += 1
        if self.reads == 2:
            os.truncate(self.name, self.to)  # type: ignore[arg-type]
        return super().read(-1 if size is None else size)


@pytest.mark.parametrize("change", ["grows", "shrinks", "is emptied"])
@pytest.mark.parametrize("odd", [False, True], ids=["scanner", "pydicom"])
def test_a_file_that_changes_while_it_is_read_is_not_judged(change: str, odd: bool, tmp_path: Path) -> None:
    texts = element(0x0040A730, "SQ", item(element(0x0040A160, "UT", b"x" * 50_000)) * 4)
    path = tmp_path / "object"
    path.write_bytes(head(odd=odd) + texts)
    with Writer(path) as stream:
        stream.to = {"grows": 300_000, "shrinks": 100_000, "is emptied": 0}[change]
        with pytest.raises(UnreadableError) as caught:
            read_header(path, stream)
    assert caught.value.reason == "changed-while-read"
    assert caught.value.hint


def test_a_file_that_becomes_a_fifo_at_the_last_moment_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "object"
    path.write_bytes(head())
    as_it_was = path.stat()
    path.unlink()
    os.mkfifo(path)
    monkeypatch.setattr(Path, "stat", lambda self: as_it_was)
    with pytest.raises(UnreadableError) as caught:
        open_object(path)
    assert caught.value.reason == "not-regular"


def test_a_fault_is_told_once_wherever_the_first_window_ends() -> None:
    later = element(0x0040A730, "SQ", item(element(0x0040A121, "DA", b"20240230")))
    for length in range(15_900, 16_200, 7):
        data = head() + element(0x00204000, "LT", b"x" * length) + later
        row = json.loads(read_header(Path("unused"), io.BytesIO(data)).row)
        assert [fault["Keyword"] for fault in row["conversion_faults"]] == ["ContentSequence.Date"], length
