"""qc on the real scans of pydicom's wheel gives no false alarm: every finding is listed here with what in the
file's header justifies it, and everything else is clean.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pydicom.data
import pytest

from beds.contexts import measured, run_step
from hilum.steps.builtin.qc import qc

FILES = Path(pydicom.data.__file__).parent / "test_files"
CHARACTER_SETS = FILES.parent / "charset_files"
NO_DICOM = {".py", ".txt", ".icc", ".gz", ".dump", ".json", ".pyc"}

NO_PIXELS = (
    "ExplVR_BigEndNoMeta.dcm",
    "ExplVR_LitEndNoMeta.dcm",
    "UN_sequence.dcm",
    "empty_charset_LEI.dcm",
    "no_meta.dcm",
    "no_meta_group_length.dcm",
    "priv_SQ.dcm",
    "reportsi.dcm",
    "reportsi_with_empty_number_tags.dcm",
    "rtplan.dcm",
    "rtplan_truncated.dcm",
    "rtstruct.dcm",
    "test-SR.dcm",
    "waveform_ecg.dcm",
    "chrSQEncoding.dcm",
    "chrSQEncoding1.dcm",
    "chrJapMulti.dcm",
    "chrJapMultiExplicitIR6.dcm",
    "chrKoreanMulti.dcm",
)

# One file each, unless all its instances' SOP class says secondary capture.
FILE_FINDINGS: dict[str, set[str]] = {
    "MR_truncated.dcm": {"pixel-data-short"},  # its name says so
    "badVR.dcm": {"bad-header"},  # Number of Frames is "1A"
    "JPEG2000-embedded-sequence-delimiter.dcm": {"secondary-capture", "undecodable"},  # damaged on purpose
    # Shreds for parser tests: Pixel Data without Rows, Columns and Bits Allocated.
    "meta_missing_tsyntax.dcm": {"bad-header"},
    "nested_priv_SQ.dcm": {"bad-header"},
    # No Pixel Data: plans, structure sets, reports, waveforms, and shreds of headers.
    **{name: {"non-image"} for name in NO_PIXELS},
}

# Series of several files, by the end of the Series Instance UID.
SERIES_FINDINGS: dict[str, set[str]] = {
    "28319.0.2": {"missing-slices"},  # slices 18, 180, 181 and 182 of a head CT at 1.25 mm: 161 are not there
    "16302.0.2": {"localizer"},  # two CT scouts
    "18148.0.136": {"mixed-orientation"},  # three planes of one image each; Image Type does not say scout
    "18148.0.17": {"mixed-orientation"},  # the same of another day
    "18148.0.118": {"projection"},  # seven views of an angiogram, PROJECTION IMAGE
}


def files() -> Iterator[Path]:
    for folder in (FILES, CHARACTER_SETS):
        yield from (
            path for path in sorted(folder.iterdir()) if path.is_file() and path.suffix not in NO_DICOM
        )


@pytest.mark.parametrize("path", list(files()), ids=lambda path: path.name)
def test_a_single_file_has_only_the_findings_it_deserves(path: Path, tmp_path: Path) -> None:
    context = run_step(qc, [path], tmp_path)
    expected = FILE_FINDINGS.get(path.name)
    if expected is None:
        header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
        capture = str(header.SOPClassUID).startswith("1.2.840.10008.5.1.4.1.1.7")
        expected = {"secondary-capture"} if capture else set()
    found = json.loads((context.output_folder / "findings.json").read_text())
    assert {finding["code"] for finding in found} == expected


def test_series_of_several_files_have_only_the_findings_they_deserve(tmp_path: Path) -> None:
    series: dict[str, list[Path]] = defaultdict(list)
    for path in sorted((FILES / "dicomdirtests").rglob("*")):
        if path.is_file() and path.name.isdigit():
            series[str(pydicom.dcmread(path, stop_before_pixels=True).SeriesInstanceUID)].append(path)
    assert len(series) == 13
    unseen = set(SERIES_FINDINGS)
    for uid, paths in series.items():
        context = run_step(qc, paths, tmp_path / uid)
        found = json.loads((context.output_folder / "findings.json").read_text())
        ends = {end for end in SERIES_FINDINGS if uid.endswith(end)}
        expected = {code for end in ends for code in SERIES_FINDINGS[end]}
        assert {finding["code"] for finding in found} == expected, uid
        unseen -= ends
    assert not unseen


def test_the_gap_in_a_real_head_ct_is_counted(tmp_path: Path) -> None:
    paths = sorted((FILES / "dicomdirtests" / "77654033" / "CT2").iterdir())
    numbers = measured(run_step(qc, paths, tmp_path))
    assert (numbers["slices"], numbers["slices_missing"], numbers["slice_spacing"]) == (4, 161, 1.25)


def test_a_real_regular_ct_is_regular(tmp_path: Path) -> None:
    context = run_step(qc, sorted((FILES / "dicomdirtests" / "98892001" / "CT5N").iterdir()), tmp_path)
    numbers = measured(context)
    assert (numbers["verdict"], numbers["regular"], numbers["slice_spacing"]) == ("pass", True, 2.5)
    assert context.volume().array.shape == (16, 16, 5)
