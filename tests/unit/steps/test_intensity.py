from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pydicom
import pytest

from beds.contexts import measured, run_step
from beds.real import real_file, real_images
from beds.stacks import write_stack
from hilum.dicom import phantom
from hilum.dicom.pixels import frames
from hilum.errors import StepError
from hilum.steps.builtin.intensity import intensity
from hilum.steps.context import Context

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)


def histogram_of(context: Context) -> dict[str, object]:
    return dict(json.loads((context.output_folder / "histogram.json").read_text()))


def assert_measures(context: Context, values: np.ndarray) -> None:
    values = values.astype(np.float64)
    found = measured(context)
    assert found["pixels"] == values.size
    assert found["minimum"] == pytest.approx(values.min())
    assert found["maximum"] == pytest.approx(values.max())
    assert found["mean"] == pytest.approx(values.mean())
    assert found["standard_deviation"] == pytest.approx(values.std())
    names = ["median" if number == 50 else f"percentile_{number}" for number in PERCENTILES]
    np.testing.assert_allclose([found[name] for name in names], np.percentile(values, PERCENTILES))


def test_a_ct_is_measured_in_hounsfield_units(tmp_path: Path) -> None:
    chest = phantom.chest_ct(tmp_path / "dicom", slices=6, rows=40, columns=56)
    context = run_step(intensity, chest.paths, tmp_path)
    assert_measures(context, chest.values)
    units = {reading.name: reading.unit for reading in context.readings}
    assert units["mean"] == units["percentile_99"] == "[hnsf'U]"
    assert units["pixels"] == ""


def test_the_declared_unit_stands_where_images_have_none(tmp_path: Path) -> None:
    head = phantom.mr_series(tmp_path / "dicom", slices=4, rows=24, columns=24)
    context = run_step(intensity, head.paths, tmp_path)
    assert_measures(context, head.stored)
    assert {reading.unit for reading in context.readings} == {"1", ""}


@pytest.mark.parametrize(
    "attributes",
    [
        {"RescaleSlope": "0.37", "RescaleIntercept": "-12.5"},
        {"Modality": "PT", "RescaleSlope": lambda number: 0.5 + number / 10},
        {"PixelRepresentation": 0},
    ],
    ids=["broken slope", "a slope for each slice", "unsigned"],
)
def test_slopes_are_applied_slice_by_slice(attributes: dict[str, object], tmp_path: Path) -> None:
    paths = write_stack(tmp_path / "dicom", **attributes)
    images = [pydicom.dcmread(path) for path in paths]
    values = [
        image.pixel_array * float(image.RescaleSlope) + float(image.RescaleIntercept) for image in images
    ]
    context = run_step(intensity, paths, tmp_path)
    found = measured(context)
    everything = np.stack(values)
    assert found["mean"] == pytest.approx(everything.mean(), rel=1e-5)
    assert found["percentile_95"] == pytest.approx(np.percentile(everything, 95), rel=1e-5)


def test_a_multiframe_image_is_measured_over_all_frames(tmp_path: Path) -> None:
    path = real_file("rtdose.dcm")
    assert_measures(run_step(intensity, [path], tmp_path), frames(path))


@pytest.mark.parametrize(
    ("attributes", "padding"),
    [
        ({"PixelPaddingValue": -2000}, [-2000]),
        ({"PixelPaddingValue": -2000, "PixelPaddingRangeLimit": -1990}, range(-2000, -1989)),
        ({"PixelPaddingValue": -1990, "PixelPaddingRangeLimit": -2000}, range(-2000, -1989)),
    ],
    ids=["value", "range", "range downwards"],
)
def test_padding_is_left_out(attributes: dict[str, int], padding: list[int], tmp_path: Path) -> None:
    paths = write_stack(tmp_path / "dicom", 2)
    kept = []
    for path in paths:
        image = pydicom.dcmread(path)
        values = np.clip(image.pixel_array, -1900, None)
        values[:, :3] = padding[-1]
        values[:, 0] = padding[0]
        image.PixelData = values.tobytes()
        for keyword, value in attributes.items():
            image.add_new(keyword, "SS", value)
        image.save_as(path)
        kept.append(values[:, 3:] - 1024)
    context = run_step(intensity, paths, tmp_path)
    assert_measures(context, np.stack(kept))
    assert measured(context)["padding"] == 2 * 12 * 3


def test_padding_of_signed_images_written_as_unsigned_is_understood(tmp_path: Path) -> None:
    [path] = write_stack(tmp_path / "dicom", 1)
    image = pydicom.dcmread(path)
    values = np.clip(image.pixel_array, -1000, None)
    values[0] = -2000
    image.PixelData = values.tobytes()
    image.add_new("PixelPaddingValue", "US", 63536)
    image.save_as(path)
    assert measured(run_step(intensity, [path], tmp_path))["padding"] == 10


def test_nothing_but_padding_is_refused(tmp_path: Path) -> None:
    [path] = write_stack(tmp_path / "dicom", 1)
    image = pydicom.dcmread(path)
    image.PixelData = np.full((12, 10), -2000, np.int16).tobytes()
    image.add_new("PixelPaddingValue", "SS", -2000)
    image.save_as(path)
    with pytest.raises(StepError) as refused:
        run_step(intensity, [path], tmp_path)
    assert refused.value.reason == "only-padding"


def test_colour_is_measured_as_luminance(tmp_path: Path) -> None:
    path = real_file("SC_rgb_rle.dcm")
    expected = np.rint(frames(path) @ np.array([0.299, 0.587, 0.114]))
    assert_measures(run_step(intensity, [path], tmp_path), expected)


def test_a_palette_is_looked_up_before_its_luminance_is_taken(tmp_path: Path) -> None:
    found = measured(run_step(intensity, [real_file("examples_palette.dcm")], tmp_path))
    assert found["maximum"] > 255  # its palette has 16 bits, its indices 8


def test_every_real_image_that_can_be_decoded_is_measured(tmp_path: Path) -> None:
    refused = {}
    for number, path in enumerate(real_images()):
        try:
            run_step(intensity, [path], tmp_path / str(number))
        except StepError as error:
            refused[path.name] = error.reason
    assert refused == {
        "JPEG2000-embedded-sequence-delimiter.dcm": "undecodable",
        "MR_truncated.dcm": "pixel-data-short",
        "badVR.dcm": "bad-header",
        "meta_missing_tsyntax.dcm": "bad-header",
        "nested_priv_SQ.dcm": "bad-header",
    }


def test_a_report_has_no_intensity(tmp_path: Path) -> None:
    with pytest.raises(StepError) as refused:
        run_step(intensity, [real_file("test-SR.dcm")], tmp_path)
    assert refused.value.reason == "no-pixel-data"


def test_the_histogram_holds_every_pixel_once(tmp_path: Path) -> None:
    chest = phantom.chest_ct(tmp_path / "dicom", slices=4, rows=40, columns=56)
    histogram = histogram_of(run_step(intensity, chest.paths, tmp_path, bins=64))
    expected, _ = np.histogram(chest.values, histogram["edges"])
    assert histogram["counts"] == expected.tolist()
    assert sum(expected) == chest.values.size == histogram["pixels"]
    assert len(expected) <= 64
    assert len(set(np.diff(histogram["edges"]))) == 1
    assert histogram["unit"] == "[hnsf'U]"
