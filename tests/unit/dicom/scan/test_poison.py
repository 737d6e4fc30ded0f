"""A scanner learns from every header; none can teach it what is wrong of the next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from beds.headers import PYDICOM
from beds.hostile import CASES, element, head, item
from hilum.dicom.scan import Scanner, Unsure
from hilum.dicom.scan.elements import ElementForm
from hilum.dicom.scan.feed import Feed
from hilum.dicom.scan.json import JsonForm
from hilum.dicom.scan.row import RowForm
from hilum.dicom.scan.tables import Form
from hilum.errors import HilumError

NAMES = ("CT_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm", "rtplan.dcm", "priv_SQ.dcm")
GOOD = [PYDICOM / "test_files" / name for name in NAMES]
HOSTILE = [
    *(
        "sequences_nested_without_end",
        "sequences_nested_in_each_other",
        "deep_sequences_that_were_seen_less_deep",
    ),
    *("a_text_of_5_mebibytes_in_an_item", "two_gibibytes_of_one_sequence"),
    *("an_endless_sequence", "names_by_the_million", "a_character_set_of_many", "a_length_of_nearly_32_bits"),
    *("private_creators_with_endless_names",),
]


def said(scanner: Scanner, path: Path) -> Any:
    with path.open("rb") as stream:
        try:
            scanned = scanner.scan(Feed(stream, path.stat().st_size))
        except (Unsure, HilumError) as error:
            return repr(error)
    if isinstance(scanner.form, RowForm):
        return scanner.form.finish(scanned.parts, scanned.others)
    return repr(scanned.parts)


@pytest.mark.parametrize(
    "form", [RowForm, *(pytest.param(form, marks=pytest.mark.slow) for form in (JsonForm, ElementForm))]
)
def test_after_whatever_was_refused_a_good_file_gives_what_it_gives_alone(
    form: type[Form], tmp_path: Path
) -> None:
    alone = {path: said(Scanner(form()), path) for path in GOOD}
    scanner = Scanner(form())
    for name in HOSTILE:
        CASES[name].write(tmp_path / "hostile", False)
        said(scanner, tmp_path / "hostile")
        assert {path: said(scanner, path) for path in GOOD} == alone, name


@pytest.mark.parametrize("cut", range(0, 400, 7))
def test_a_header_that_breaks_off_leaves_nothing_behind(cut: int, tmp_path: Path) -> None:
    charset = element(0x00080005, "CS", b"ISO_IR 192") + element(0x0008103E, "LO", b"\xc3\xa4")
    late = element(0x0040A121, "DA", b"never ") + element(0x00409096, "SQ", item(charset))
    whole = head() + element(0x00400275, "SQ", item(charset + late) * 3)
    (tmp_path / "whole").write_bytes(whole)
    (tmp_path / "cut").write_bytes(whole[: len(whole) - cut])
    alone = said(Scanner(RowForm()), tmp_path / "whole")
    scanner = Scanner(RowForm())
    for _ in range(3):
        said(scanner, tmp_path / "cut")
        assert said(scanner, tmp_path / "whole") == alone
