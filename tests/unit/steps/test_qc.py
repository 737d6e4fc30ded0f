"""qc finds each fault planted in a phantom, with exactly the codes expected, and nothing in a sound one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pydicom
import pytest

from beds.contexts import measured, run_step
from hilum.dicom import phantom
from hilum.dicom.phantom import headers
from hilum.errors import StepError
from hilum.model.subject import Scope
from hilum.steps.builtin.qc import qc
from hilum.steps.builtin.qc.findings import CODES

Report = tuple[dict[str, dict[str, Any]], dict[str, Any]]


def examine(paths: Sequence[Path], folder: Path, **parameters: Any) -> Report:
    """Findings by code, and what was measured."""
    context = run_step(qc, paths, folder, **parameters)
    findings = json.loads((context.output_folder / "findings.json").read_text())
    by_code = {finding["code"]: finding for finding in findings}
    assert len(by_code) == len(findings), "a code came twice for one series"
    return by_code, measured(context)


def small_ct(folder: Path, **options: Any) -> phantom.Phantom:
    return phantom.chest_ct(folder / "ct", **{"slices": 20, "rows": 32, "columns": 32, **options})


def small_mr(folder: Path, **options: Any) -> phantom.Phantom:
    return phantom.mr_series(folder / "mr", **{"slices": 8, "rows": 24, "columns": 24, **options})


def uids(paths: Sequence[Path]) -> list[str]:
    return [str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in paths]


SOUND: dict[str, dict[str, Any]] = {
    "axial": {},
    "from head to feet": {"reverse": True},
    "coronal": {"orientation": "coronal"},
    "sagittal": {"orientation": "sagittal"},
    "oblique": {"orientation": "oblique"},
    "of one slice": {"slices": 1},
    "of two slices": {"slices": 2},
    "with a spacing that decimals cannot hold": {"slice_spacing": 1 / 3},
    "implicit": {"transfer_syntax": "1.2.840.10008.1.2"},
    "big endian": {"transfer_syntax": headers.EXPLICIT_BIG_ENDIAN},
    "RLE": {"transfer_syntax": "1.2.840.10008.1.2.5"},
    "JPEG-LS": {"transfer_syntax": "1.2.840.10008.1.2.4.80"},
    "deflated": {"transfer_syntax": "1.2.840.10008.1.2.1.99"},
    "signed with a fractional slope": {"signed": True, "slope": 0.5, "intercept": 0.25},
}


@pytest.mark.parametrize("options", SOUND.values(), ids=SOUND.keys())
def test_a_sound_ct_has_no_findings(tmp_path: Path, options: dict[str, Any]) -> None:
    made = small_ct(tmp_path, **options)
    findings, numbers = examine(made.paths, tmp_path)
    assert findings == {}
    assert numbers["verdict"] == "pass"
    assert numbers["slices"] == numbers["frames"] == numbers["instances"] == len(made.paths)
    assert (numbers["slices_missing"], numbers["slices_duplicate"], numbers["volumes"]) == (0, 0, 1)
    assert numbers["regular"] is True
    assert numbers["image"] is True
    assert numbers["localizer"] is False
    if len(made.paths) > 1:
        assert numbers["slice_spacing"] == pytest.approx(made.grid.slice_spacing, rel=1e-4)
    else:
        assert "slice_spacing" not in numbers


@pytest.mark.parametrize("orientation", ["axial", "oblique"])
def test_a_sound_mr_has_no_findings(tmp_path: Path, orientation: Any) -> None:
    findings, numbers = examine(small_mr(tmp_path, orientation=orientation).paths, tmp_path)
    assert findings == {}
    assert numbers["regular"] is True


def test_the_order_of_files_does_not_matter(tmp_path: Path) -> None:
    made = small_ct(tmp_path, drop=[7], duplicate=[3])
    there, numbers = examine(made.paths, tmp_path / "a")
    back, others = examine(made.paths[::-1], tmp_path / "b")
    assert there.keys() == back.keys()
    assert numbers == others


# Fault planted: (options, code, count, instances by index, or None for a count alone)
FAULTS: dict[str, tuple[dict[str, Any], str, int, Sequence[int] | None]] = {
    "one slice is missing": ({"drop": [7]}, "missing-slices", 1, None),
    "three slices in a row are missing": ({"drop": [7, 8, 9]}, "missing-slices", 3, None),
    "slices here and there are missing": ({"drop": [3, 8, 9, 15]}, "missing-slices", 4, None),
    "a slice came twice": ({"duplicate": [4]}, "duplicate-slices", 1, None),
    "two slices came twice": ({"duplicate": [4, 11]}, "duplicate-slices", 2, None),
    "slices are off their places": ({"jitter": 4.0}, "irregular-spacing", 18, range(1, 19)),
    "a slice is turned": ({"turn": [5]}, "mixed-orientation", 1, [5]),
    "slices have another matrix": ({"resize": [5, 6]}, "mixed-size", 2, [5, 6]),
    "slices have another scale": ({"rescale": [0, 6]}, "mixed-rescale", 2, [0, 6]),
    "a slice has another frame of reference": ({"reframe": [2]}, "mixed-frame-of-reference", 1, [2]),
    "the gantry is tilted": ({"tilt": 15.0}, "gantry-tilt", 20, range(20)),
    "pixel data is half as long": ({"truncate": [9, 10]}, "pixel-data-short", 2, [9, 10]),
    "files break off": ({"cut": [9]}, "pixel-data-short", 1, [9]),
    "an image is constant": ({"constant": [13]}, "constant-pixels", 1, [13]),
}


@pytest.mark.parametrize(("options", "code", "count", "where"), FAULTS.values(), ids=FAULTS.keys())
@pytest.mark.parametrize("orientation", ["axial", "oblique"])
def test_a_planted_fault_is_found_and_nothing_else(
    tmp_path: Path, orientation: str, options: dict[str, Any], code: str, count: int, where: Any
) -> None:
    made = small_ct(tmp_path, orientation=orientation, **options)
    findings, numbers = examine(made.paths, tmp_path)
    assert list(findings) == [code]
    assert findings[code]["count"] == count
    assert findings[code]["severity"] == CODES[code][0]
    if where is not None:
        assert set(findings[code]["instances"]) == set(uids([made.paths[index] for index in where]))
    assert numbers["verdict"] == {"error": "fail", "warning": "warn"}[CODES[code][0]]
    assert numbers["errors"] + numbers["warnings"] == numbers["findings"] == 1
    assert numbers["slices_missing"] == (count if code == "missing-slices" else 0)
    assert numbers["slices_duplicate"] == (count if code == "duplicate-slices" else 0)


REGULAR_ALL_THE_SAME = ("mixed-rescale", "mixed-frame-of-reference", "constant-pixels")


@pytest.mark.parametrize(("options", "code"), [(fault[0], fault[1]) for fault in FAULTS.values()])
def test_regular_means_that_the_volume_can_be_read(
    tmp_path: Path, options: dict[str, Any], code: str
) -> None:
    context = run_step(qc, small_ct(tmp_path, **options).paths, tmp_path)
    assert measured(context)["regular"] is (code in REGULAR_ALL_THE_SAME)
    if code in REGULAR_ALL_THE_SAME:
        assert context.volume().array.shape == (32, 32, 20)
    else:
        with pytest.raises(StepError):
            context.volume()


def test_several_faults_are_each_found(tmp_path: Path) -> None:
    made = small_ct(tmp_path, drop=[3], duplicate=[10], rescale=[5], truncate=[6], constant=[7])
    findings, numbers = examine(made.paths, tmp_path)
    assert set(findings) == {
        "missing-slices",
        "duplicate-slices",
        "mixed-rescale",
        "pixel-data-short",
        "constant-pixels",
    }
    assert (numbers["slices_missing"], numbers["slices_duplicate"]) == (1, 1)
    assert (numbers["errors"], numbers["warnings"]) == (3, 2)


def test_the_place_of_a_gap_is_told(tmp_path: Path) -> None:
    made = small_ct(tmp_path, drop=[7, 8])
    gap = examine(made.paths, tmp_path)[0]["missing-slices"]["values"]["gaps"][0]
    assert gap["slices"] == 2
    assert gap["between"] == uids(made.paths[6:8])
    assert gap["mm"] == pytest.approx(3 * made.grid.slice_spacing, abs=1e-3)


def test_a_change_of_spacing_by_design_is_irregular_and_not_missing(tmp_path: Path) -> None:
    made = small_ct(tmp_path, drop=[11, 13, 15, 17])
    for number, path in enumerate(made.paths, start=1):
        dataset = pydicom.dcmread(path)
        dataset.InstanceNumber = number
        dataset.save_as(path)
    findings, numbers = examine(made.paths, tmp_path)
    assert list(findings) == ["irregular-spacing"]
    assert numbers["slices_missing"] == 0


@pytest.mark.parametrize(
    ("options", "code", "volumes"),
    [
        ({"echoes": (10.0, 40.0)}, "several-echoes", 2),
        ({"b_values": (0.0, 500.0, 1000.0)}, "several-b-values", 3),
        ({"phases": 4}, "several-phases", 4),
    ],
)
def test_volumes_of_one_series_are_told_apart(
    tmp_path: Path, options: dict[str, Any], code: str, volumes: int
) -> None:
    findings, numbers = examine(small_mr(tmp_path, **options).paths, tmp_path)
    assert list(findings) == [code]
    assert numbers["volumes"] == volumes
    assert numbers["slices"] == 8
    assert numbers["verdict"] == "pass"
    assert numbers["regular"] is False


def test_two_reasons_for_several_volumes_are_both_told(tmp_path: Path) -> None:
    findings, numbers = examine(small_mr(tmp_path, echoes=(10.0, 40.0), phases=3).paths, tmp_path)
    assert set(findings) == {"several-echoes", "several-phases"}
    assert numbers["volumes"] == 6


def test_a_volume_that_lacks_its_end_has_missing_slices(tmp_path: Path) -> None:
    made = small_mr(tmp_path, echoes=(10.0, 40.0), drop=[14, 15])
    findings, numbers = examine(made.paths, tmp_path)
    assert set(findings) == {"several-echoes", "missing-slices"}
    assert numbers["slices_missing"] == 2


def test_trigger_times_that_differ_from_slice_to_slice_make_phases(tmp_path: Path) -> None:
    made = small_mr(tmp_path, phases=3)
    for number, path in enumerate(made.paths):
        dataset = pydicom.dcmread(path)
        del dataset.TemporalPositionIdentifier
        dataset.TriggerTime = (number // 8) * 40 + (number % 8)
        dataset.save_as(path)
    findings, numbers = examine(made.paths, tmp_path)
    assert list(findings) == ["several-phases"]
    assert numbers["volumes"] == 3


def test_a_time_stamp_alone_does_not_turn_a_duplicate_into_a_volume(tmp_path: Path) -> None:
    made = small_ct(tmp_path, duplicate=[4])
    dataset = pydicom.dcmread(made.paths[-1])
    dataset.ContentTime = "235959"
    dataset.save_as(made.paths[-1])
    assert list(examine(made.paths, tmp_path)[0]) == ["duplicate-slices"]


def test_a_series_sent_twice_is_two_unexplained_volumes(tmp_path: Path) -> None:
    made = small_ct(tmp_path, duplicate=range(20))
    findings, numbers = examine(made.paths, tmp_path)
    assert list(findings) == ["unexplained-volumes"]
    assert numbers["volumes"] == 2
    assert numbers["verdict"] == "warn"


def test_b_values_are_read_from_a_maker_s_private_block(tmp_path: Path) -> None:
    made = small_mr(tmp_path, b_values=(0.0, 800.0))
    for path in made.paths:
        dataset = pydicom.dcmread(path)
        block = dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True)
        block.add_new(0x0C, "IS", str(int(dataset.DiffusionBValue)))
        del dataset.DiffusionBValue
        dataset.save_as(path)
    findings, _ = examine(made.paths, tmp_path)
    assert list(findings) == ["several-b-values"]


@pytest.mark.parametrize(
    ("companion", "code"),
    [
        (phantom.localizer, "localizer"),
        (phantom.secondary_capture, "secondary-capture"),
        (phantom.report, "non-image"),
    ],
)
def test_what_is_no_slice_is_named_and_does_not_disturb_the_stack(
    tmp_path: Path, companion: Callable[..., Path], code: str
) -> None:
    made = small_ct(tmp_path)
    extra = companion(tmp_path / "ct", made)
    dataset = pydicom.dcmread(extra)
    dataset.SeriesInstanceUID = made.series_uid
    dataset.save_as(extra)
    findings, numbers = examine([*made.paths, extra], tmp_path)
    assert list(findings) == [code]
    assert findings[code]["instances"] == uids([extra])
    assert numbers["verdict"] == "pass"
    assert (numbers["slices"], numbers["slices_missing"], numbers["volumes"]) == (20, 0, 1)


def test_a_series_of_localizers_is_one(tmp_path: Path) -> None:
    made = small_ct(tmp_path)
    _, numbers = examine([phantom.localizer(tmp_path, made)], tmp_path)
    assert numbers["localizer"] is True
    assert numbers["image"] is False


def test_an_enhanced_image_is_judged_frame_by_frame(tmp_path: Path) -> None:
    made = small_ct(tmp_path)
    findings, numbers = examine([phantom.enhanced_ct(tmp_path / "e.dcm", made)], tmp_path / "whole")
    assert findings == {}
    assert (numbers["instances"], numbers["slices"], numbers["regular"]) == (1, 20, True)

    dataset = pydicom.dcmread(tmp_path / "e.dcm")
    del dataset.PerFrameFunctionalGroupsSequence[6]
    dataset.NumberOfFrames = 19
    dataset.PixelData = dataset.PixelData[: 19 * 32 * 32 * 2]
    dataset.save_as(tmp_path / "e.dcm")
    findings, numbers = examine([tmp_path / "e.dcm"], tmp_path / "lacking")
    assert list(findings) == ["missing-slices"]
    assert numbers["slices_missing"] == 1


def test_a_constant_compressed_image_is_found_because_it_is_small(tmp_path: Path) -> None:
    made = small_ct(tmp_path, rows=64, columns=64, constant=[3], transfer_syntax="1.2.840.10008.1.2.5")
    findings, _ = examine(made.paths, tmp_path)
    assert list(findings) == ["constant-pixels"]
    assert findings["constant-pixels"]["instances"] == uids(made.paths[3:4])


def test_damaged_compressed_pixels_are_found_by_decoding_the_middle(tmp_path: Path) -> None:
    made = small_ct(tmp_path, transfer_syntax="1.2.840.10008.1.2.4.80")
    middle = made.paths[10]
    data = bytearray(middle.read_bytes())
    start = data.index(b"\xff\xd8\xff")
    data[start : start + 16] = b"\0" * 16
    middle.write_bytes(data)
    assert list(examine(made.paths, tmp_path)[0]) == ["undecodable"]
    assert examine(made.paths, tmp_path / "none", decode=0)[0] == {}


def test_a_ct_that_does_not_say_where_it_lies_is_reported(tmp_path: Path) -> None:
    made = small_ct(tmp_path, slices=3)
    dataset = pydicom.dcmread(made.paths[1])
    del dataset.ImagePositionPatient
    dataset.save_as(made.paths[1])
    findings, _ = examine(made.paths, tmp_path)
    assert findings["no-geometry"]["instances"] == uids(made.paths[1:2])


def test_a_study_s_series_are_judged_one_by_one(tmp_path: Path) -> None:
    first = phantom.chest_ct(tmp_path / "1", slices=10, rows=16, columns=16, number=1, drop=[4])
    second = phantom.chest_ct(tmp_path / "2", slices=12, rows=16, columns=16, number=2)
    findings, numbers = examine([*first.paths, *second.paths], tmp_path, scope=Scope.STUDY)
    assert findings["missing-slices"]["series"] == first.series_uid
    assert (numbers["slices"], numbers["volumes"], numbers["slices_missing"]) == (21, 2, 1)
    assert "slice_spacing" not in numbers


def test_messages_hold_no_header_values(tmp_path: Path) -> None:
    made = small_ct(tmp_path, drop=[3], duplicate=[10], resize=[5], truncate=[6])
    context = run_step(qc, made.paths, tmp_path)
    text = (context.output_folder / "findings.json").read_text()
    for marker in ("Phantom", "PHANTOM", "Nowhere", "Nobody", "1970"):
        assert marker not in text
