"""Phantoms are what they say: deterministic, valid, of known volumes and geometry."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import UID

from hilum.dicom import phantom
from hilum.dicom.geometry import planes, stack


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_patient(tmp_path: Path) -> None:
    options = {"slices": 3, "rows": 16, "columns": 16}
    first = phantom.chest_ct(tmp_path / "a", **options)  # type: ignore[arg-type]
    again = phantom.chest_ct(tmp_path / "b", **options)  # type: ignore[arg-type]
    other = phantom.chest_ct(tmp_path / "c", seed=2, **options)  # type: ignore[arg-type]
    assert [path.read_bytes() for path in first.paths] == [path.read_bytes() for path in again.paths]
    assert first.study_uid != other.study_uid
    assert not np.array_equal(first.stored, other.stored)


@pytest.mark.parametrize("orientation", ["axial", "coronal", "sagittal", "oblique"])
def test_counted_volumes_agree_with_the_formulas(tmp_path: Path, orientation: phantom.Orientation) -> None:
    made = phantom.chest_ct(tmp_path, slices=64, rows=128, columns=128, orientation=orientation)
    assert len(made.paths) >= 60
    for name in ("left lung", "right lung", "heart"):
        assert made.counted_ml[name] == pytest.approx(made.volumes_ml[name], rel=0.02), name
    assert made.counted_ml["nodule 12 mm"] == pytest.approx(4 / 3 * np.pi * 1.2**3, rel=0.12)


def test_lungs_can_be_segmented_from_the_written_pixels(tmp_path: Path) -> None:
    made = phantom.chest_ct(tmp_path, slices=40, rows=96, columns=96)
    values = np.stack([pydicom.dcmread(path).pixel_array.astype(int) - 1024 for path in made.paths])
    lung = (values > -930) & (values < -780)  # between air and everything else, noise allowed for
    measured = lung.sum() * made.grid.voxel_ml
    assert measured == pytest.approx(made.counted_ml["left lung"] + made.counted_ml["right lung"], rel=0.02)


@pytest.mark.parametrize(
    "syntax",
    [
        "1.2.840.10008.1.2",
        "1.2.840.10008.1.2.1",
        "1.2.840.10008.1.2.2",
        "1.2.840.10008.1.2.5",
        "1.2.840.10008.1.2.4.80",
        "1.2.840.10008.1.2.1.99",
    ],
)
@pytest.mark.parametrize("signed", [False, True])
def test_pixels_read_back_as_written(tmp_path: Path, syntax: str, signed: bool) -> None:
    made = phantom.chest_ct(
        tmp_path,
        slices=3,
        rows=33,
        columns=35,
        signed=signed,
        slope=0.5,
        intercept=-1000.5,
        transfer_syntax=syntax,
    )
    for path, stored in zip(made.paths, made.stored, strict=True):
        dataset = pydicom.dcmread(path)
        assert dataset.file_meta.TransferSyntaxUID == syntax
        assert np.array_equal(dataset.pixel_array, stored)
        assert (float(dataset.RescaleSlope), float(dataset.RescaleIntercept)) == (0.5, -1000.5)
    assert made.values.min() == pytest.approx(-1000, abs=80)


@pytest.mark.parametrize("orientation", ["axial", "coronal", "sagittal", "oblique"])
@pytest.mark.parametrize("reverse", [False, True])
def test_slices_make_a_regular_stack(tmp_path: Path, orientation: phantom.Orientation, reverse: bool) -> None:
    made = phantom.chest_ct(tmp_path, slices=6, rows=16, columns=24, orientation=orientation, reverse=reverse)
    found = stack([plane for path in made.paths for plane in planes(pydicom.dcmread(path))])
    assert found.regular
    assert found.tilt < 1e-3
    assert found.spacing[2] == pytest.approx(made.grid.slice_spacing, rel=1e-6)
    assert found.order == tuple(reversed(range(6)) if reverse else range(6))


def test_a_tilted_gantry_shears_the_stack_by_its_angle(tmp_path: Path) -> None:
    made = phantom.chest_ct(tmp_path, slices=6, rows=16, columns=16, tilt=12)
    found = stack([plane for path in made.paths for plane in planes(pydicom.dcmread(path))])
    assert found.tilt == pytest.approx(12, abs=1e-4)
    assert made.counted_ml["heart"] >= 0


def test_uids_and_decimals_are_valid(tmp_path: Path) -> None:
    made = phantom.chest_ct(tmp_path, slices=4, rows=16, columns=16, orientation="oblique")
    seen = set()
    for path in made.paths:
        dataset = pydicom.dcmread(path)
        for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID"):
            assert UID(dataset[keyword].value).is_valid
            assert len(dataset[keyword].value) <= 64
        for element in dataset:
            if element.VR == "DS":
                parts = element.value if element.VM > 1 else [element.value]
                assert all(len(str(part)) <= 16 for part in parts)
        seen.add(dataset.SOPInstanceUID)
    assert len(seen) == 4


def test_mr_volumes_follow_one_another(tmp_path: Path) -> None:
    made = phantom.mr_series(
        tmp_path, slices=3, rows=16, columns=16, echoes=(10, 30), b_values=(0, 1000), phases=2
    )
    found = [
        (float(one.EchoTime), one.DiffusionBValue, int(one.TemporalPositionIdentifier))
        for one in map(pydicom.dcmread, made.paths)
    ]
    expected = [key for key in itertools.product((10, 30), (0, 1000), (1, 2)) for _ in range(3)]
    assert found == expected
    brain = made.stored.reshape(8, -1)
    assert brain[0].mean() > 1.5 * brain[2].mean()  # diffusion weighting darkens


def test_head_volumes_agree_with_the_formulas(tmp_path: Path) -> None:
    made = phantom.mr_series(tmp_path, slices=64, rows=96, columns=96)
    for name, volume in made.volumes_ml.items():
        assert made.counted_ml[name] == pytest.approx(volume, rel=0.06), name


def test_an_enhanced_image_holds_the_same_slices(tmp_path: Path) -> None:
    made = phantom.chest_ct(tmp_path / "ct", slices=5, rows=16, columns=24)
    dataset = pydicom.dcmread(phantom.enhanced_ct(tmp_path / "enhanced.dcm", made))
    assert np.array_equal(dataset.pixel_array, made.stored)
    classic = stack([plane for path in made.paths for plane in planes(pydicom.dcmread(path))])
    assert np.allclose(stack(planes(dataset)).affine, classic.affine)


def test_companions_belong_to_the_study(tmp_path: Path) -> None:
    made = phantom.chest_ct(tmp_path, slices=8, rows=16, columns=16)
    writers = (phantom.localizer, phantom.secondary_capture, phantom.report)
    found = [pydicom.dcmread(writer(tmp_path, made)) for writer in writers]
    assert {one.StudyInstanceUID for one in found} == {made.study_uid}
    assert [one.SeriesInstanceUID == made.series_uid for one in found] == [True, True, False]
    assert [one.Modality for one in found] == ["CT", "CT", "SR"]
    assert found[0].pixel_array.shape == (8, 16)
    assert found[1].pixel_array.shape == (96, 128, 3)


def test_many_instances_are_valid_and_distinct(tmp_path: Path) -> None:
    paths = list(phantom.many_instances(tmp_path, 25, per_series=5, series_per_study=2))
    found = [pydicom.dcmread(path) for path in paths]
    assert len({one.SOPInstanceUID for one in found}) == 25
    assert all(one.SOPInstanceUID == one.file_meta.MediaStorageSOPInstanceUID for one in found)
    assert len({one.SeriesInstanceUID for one in found}) == 5
    assert len({one.StudyInstanceUID for one in found}) == 3
    assert [int(one.InstanceNumber) for one in found[:6]] == [1, 2, 3, 4, 5, 1]
    assert float(found[4].ImagePositionPatient[2]) == 10.0
    assert all(UID(one.SOPInstanceUID).is_valid and one.pixel_array.shape == (8, 8) for one in found)
    assert sorted(tmp_path.rglob("*.dcm")) == sorted(paths)


def test_many_instances_are_written_only_as_far_as_asked(tmp_path: Path) -> None:
    paths = phantom.many_instances(tmp_path, 10**9)
    assert len(list(itertools.islice(paths, 3))) == 3
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 3
