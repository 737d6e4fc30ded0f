"""preview shows what a radiologist expects: right shades, right colours, right proportions, right side up."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image

from beds.contexts import run_step
from hilum.dicom import phantom
from hilum.dicom.phantom import headers
from hilum.dicom.phantom.faults import Slice
from hilum.dicom.presentation import Window
from hilum.dicom.series import ImageSeries
from hilum.errors import StepError
from hilum.steps.builtin.preview import evenly, in_order, preview, reformat

Picture = NDArray[np.uint8]


def shown(paths: list[Path] | tuple[Path, ...], folder: Path, **parameters: Any) -> tuple[Picture, Picture]:
    """Montage and middle picture."""
    output = run_step(preview, paths, folder, **parameters).output_folder
    return np.asarray(Image.open(output / "montage.png")), np.asarray(Image.open(output / "middle.png"))


def write(path: Path, pixels: NDArray[Any], **values: Any) -> Path:
    """One image of these pixels, grey 8 bits unless said otherwise."""
    bits = pixels.dtype.itemsize * 8
    header = headers.common("OT", headers.SECONDARY_CAPTURE, 1, "Test", 1)
    header.SOPInstanceUID = headers.uid(path.name)
    header.InstanceNumber = "1"
    header.SamplesPerPixel = 1
    header.PhotometricInterpretation = "MONOCHROME2"
    header.BitsAllocated = header.BitsStored = bits
    header.HighBit, header.PixelRepresentation = bits - 1, int(pixels.dtype.kind == "i")
    for keyword, value in values.items():
        setattr(header, keyword, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    headers.write(path, Slice(header, pixels), headers.EXPLICIT_LITTLE_ENDIAN)
    return path


RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


def test_a_window_s_shades_are_in_the_picture(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", RAMP, WindowCenter="100", WindowWidth="50")
    assert np.array_equal(shown([path], tmp_path)[1], Window(100, 50).apply(RAMP))


def test_a_window_asked_for_goes_before_the_header_s(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", RAMP, WindowCenter="100", WindowWidth="50")
    assert np.array_equal(shown([path], tmp_path, window=(20, 10))[1], Window(20, 10).apply(RAMP))


def test_monochrome1_is_the_negative_of_monochrome2(tmp_path: Path) -> None:
    window = {"WindowCenter": "128", "WindowWidth": "256"}
    positive = write(tmp_path / "a.dcm", RAMP, **window)
    negative = write(tmp_path / "b.dcm", RAMP, PhotometricInterpretation="MONOCHROME1", **window)
    first, second = shown([positive], tmp_path / "a")[1], shown([negative], tmp_path / "b")[1]
    assert np.array_equal(first, RAMP)
    assert np.array_equal(second, 255 - first)


def test_windows_are_applied_after_the_rescale(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.dcm",
        RAMP,
        RescaleSlope="2",
        RescaleIntercept="-100",
        WindowCenter="0",
        WindowWidth="100",
    )
    assert np.array_equal(shown([path], tmp_path)[1], Window(0, 100).apply(RAMP.astype(int) * 2 - 100))


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32])
def test_any_depth_and_sign_fills_the_range_of_grey(tmp_path: Path, dtype: Any) -> None:
    limits = np.iinfo(dtype)
    pixels = np.linspace(limits.min, limits.max, 256).astype(dtype).reshape(16, 16)
    middle = shown([write(tmp_path / "a.dcm", pixels)], tmp_path)[1]
    assert (middle.flat[0], middle.flat[-1]) == (0, 255)
    assert np.all(np.diff(middle.ravel().astype(int)) >= 0)


@pytest.mark.parametrize("planar", [0, 1])
def test_rgb_is_shown_as_it_is(tmp_path: Path, planar: int) -> None:
    rgb = np.random.default_rng(1).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    path = write(
        tmp_path / "a.dcm",
        rgb,
        SamplesPerPixel=3,
        PhotometricInterpretation="RGB",
        PlanarConfiguration=0,
    )
    if planar:
        dataset = pydicom.dcmread(path)
        dataset.PlanarConfiguration = 1
        dataset.PixelData = np.ascontiguousarray(rgb.transpose(2, 0, 1)).tobytes()
        dataset.save_as(path)
    assert np.array_equal(shown([path], tmp_path)[1], rgb)


def test_ybr_becomes_rgb(tmp_path: Path) -> None:
    # Red, green, blue and grey in YCbCr by PS3.3 C.7.6.3.1.2.
    ybr = np.array([[[76, 85, 255], [150, 44, 21]], [[29, 255, 107], [128, 128, 128]]], dtype=np.uint8)
    path = write(
        tmp_path / "a.dcm",
        ybr,
        SamplesPerPixel=3,
        PhotometricInterpretation="YBR_FULL",
        PlanarConfiguration=0,
    )
    expected = [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [128, 128, 128]]]
    assert np.abs(shown([path], tmp_path)[1].astype(int) - expected).max() <= 2


def test_a_palette_s_colours_are_shown(tmp_path: Path) -> None:
    palette = {"PhotometricInterpretation": "PALETTE COLOR"}
    tables: dict[str, Any] = {}
    for name, entries in (("Red", (0, 255)), ("Green", (128, 0)), ("Blue", (255, 64))):
        tables[f"{name}PaletteColorLookupTableDescriptor"] = [2, 0, 16]
        tables[f"{name}PaletteColorLookupTableData"] = (np.array(entries, "<u2") * 257).tobytes()
    path = write(tmp_path / "a.dcm", np.array([[0, 1], [1, 0]], np.uint8), **palette, **tables)
    first, second = [0, 128, 255], [255, 0, 64]
    assert shown([path], tmp_path)[1].tolist() == [[first, second], [second, first]]


@pytest.mark.parametrize(
    ("values", "shape"),
    [
        ({"PixelSpacing": ["2", "1"]}, (32, 16)),
        ({"PixelSpacing": ["1", "3"]}, (16, 48)),
        ({"PixelAspectRatio": ["2", "1"]}, (32, 16)),
        ({"ImagerPixelSpacing": ["0.1", "0.1"]}, (16, 16)),
    ],
)
def test_pictures_have_the_proportions_of_the_patient(
    tmp_path: Path, values: dict[str, Any], shape: tuple[int, int]
) -> None:
    assert shown([write(tmp_path / "a.dcm", RAMP, **values)], tmp_path)[1].shape == shape


def test_a_tile_keeps_the_proportions_too(tmp_path: Path) -> None:
    white = np.full((20, 20), 255, np.uint8)
    white[0, 0] = 0
    path = write(tmp_path / "a.dcm", white, PixelSpacing=["1", "4"], WindowCenter="128", WindowWidth="256")
    montage = shown([path], tmp_path, tile_size=100)[0]
    lit = np.argwhere(montage[:102] > 250)
    assert np.ptp(lit[:, 1]) + 1 == 100
    assert np.ptp(lit[:, 0]) + 1 == 25


def test_slices_are_shown_in_order_of_place_whatever_the_order_of_files(tmp_path: Path) -> None:
    made = phantom.chest_ct(tmp_path / "ct", slices=12, rows=32, columns=32)
    shuffled = list(made.paths)
    random.Random(3).shuffle(shuffled)
    assert np.array_equal(shown(made.paths, tmp_path / "a")[0], shown(shuffled, tmp_path / "b")[0])
    heights = [frame.plane.position[2] for frame in in_order(ImageSeries(shuffled).images) if frame.plane]
    assert heights == sorted(heights, reverse=True)
    assert len(heights) == 12


def test_volumes_of_one_series_follow_one_another(tmp_path: Path) -> None:
    made = phantom.mr_series(tmp_path, slices=4, rows=16, columns=16, echoes=(10, 40))
    order = in_order(ImageSeries(made.paths[::-1]).images)
    assert [int(frame.dataset.EchoNumbers) for frame in order] == [1] * 4 + [2] * 4


def test_the_middle_picture_is_the_middle_slice_of_the_first_volume(tmp_path: Path) -> None:
    made = phantom.mr_series(tmp_path / "mr", slices=9, rows=32, columns=32, echoes=(10, 40))
    middle = shown(made.paths, tmp_path, tiles=2)[1]
    expected = Window(450, 1000).apply(made.stored[4])
    scale = middle.shape[0] / 32
    assert scale == pytest.approx(1, abs=0.2)
    assert abs(float(middle.mean()) - float(expected.mean())) < 2


def test_tiles_are_sampled_evenly() -> None:
    assert evenly(5, 25) == [0, 1, 2, 3, 4]
    assert evenly(100, 4) == [12, 37, 62, 87]
    assert len(set(evenly(26, 25))) == 25


def test_a_multi_frame_image_is_shown_frame_by_frame(tmp_path: Path) -> None:
    made = phantom.chest_ct(tmp_path / "ct", slices=9, rows=32, columns=32)
    enhanced = phantom.enhanced_ct(tmp_path / "enhanced.dcm", made)
    classic, multi = shown(made.paths, tmp_path / "a"), shown([enhanced], tmp_path / "b")
    assert np.array_equal(classic[0], multi[0])
    assert np.array_equal(classic[1], multi[1])


def test_the_two_other_planes_are_added_where_there_is_a_volume(tmp_path: Path) -> None:
    made = phantom.chest_ct(tmp_path / "ct", slices=16, rows=32, columns=32)
    wide = shown(made.paths, tmp_path / "a", tiles=4, tile_size=64)[0]
    tall = shown(made.paths, tmp_path / "b", tiles=4, tile_size=64, reformats=False)[0]
    assert wide.shape == tall.shape
    assert not np.array_equal(wide[wide.shape[0] // 2 :], tall[tall.shape[0] // 2 :])


@pytest.mark.parametrize("orientation", ["axial", "coronal", "sagittal"])
def test_reformats_are_the_right_way_up_however_the_slices_lie(
    tmp_path: Path, orientation: phantom.Orientation
) -> None:
    made = phantom.chest_ct(
        tmp_path / orientation, slices=32, rows=32, columns=32, orientation=orientation, noise=0
    )
    volume = ImageSeries(made.paths).volume()
    edges = {"axial": ("R", "L", "A", "P"), "coronal": ("R", "L", "H", "F"), "sagittal": ("A", "P", "H", "F")}
    names = set()
    for fixed in range(3):
        values, pixel, marks, name = reformat(volume, fixed)
        names.add(name)
        assert marks == edges[name]
        assert min(pixel) > 0
        if name == "coronal":  # the liver, on the patient's right and below, is brighter than the spleen side
            low = values[-values.shape[0] // 8 :]
            half = low.shape[1] // 2
            assert low[:, :half].mean() > low[:, half:].mean()
        if name == "sagittal":  # the spine is bright and behind
            bright = np.argwhere(values > 200)
            assert bright[:, 1].mean() > values.shape[1] / 2
    assert names == set(edges)


def test_orientation_marks_are_written_at_the_edges(tmp_path: Path) -> None:
    black = np.zeros((16, 16), np.uint8)
    marked = write(
        tmp_path / "a.dcm", black, PatientOrientation=["L", "F"], WindowCenter="9", WindowWidth="9"
    )
    plain = write(tmp_path / "b.dcm", black, WindowCenter="9", WindowWidth="9")
    with_marks = shown([marked], tmp_path / "a", tile_size=96)[0][:96]
    without = shown([plain], tmp_path / "b", tile_size=96)[0][:96]
    assert without.max() == 0
    for region in (np.s_[38:58, :20], np.s_[38:58, -20:], np.s_[:20, 38:58], np.s_[-20:, 38:58]):
        assert with_marks[region].max() > 150


def test_overlays_are_drawn_only_when_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", np.zeros((4, 4), np.uint8), WindowCenter="128", WindowWidth="256")
    dataset = pydicom.dcmread(path)
    for element, vr, value in (
        (0x0010, "US", 4),
        (0x0011, "US", 4),
        (0x0040, "CS", "G"),
        (0x0050, "SS", [1, 1]),
        (0x0100, "US", 1),
        (0x0102, "US", 0),
        (0x3000, "OW", b"\x21\x84"),  # the diagonal
    ):
        dataset.add_new((0x6000, element), vr, value)
    dataset.save_as(path)
    assert shown([path], tmp_path / "a")[1].max() == 0
    assert np.array_equal(shown([path], tmp_path / "b", overlays=True)[1], np.eye(4) * 255)


def test_a_frame_that_cannot_be_decoded_leaves_a_black_tile(tmp_path: Path) -> None:
    made = phantom.chest_ct(tmp_path / "ct", slices=4, rows=32, columns=32, truncate=[0])
    montage, middle = shown(made.paths, tmp_path, tile_size=64)
    assert montage.shape[0] > 2 * 64
    assert middle.max() > 0


def test_when_nothing_can_be_decoded_the_reason_is_given(tmp_path: Path) -> None:
    made = phantom.chest_ct(tmp_path / "ct", slices=2, rows=32, columns=32, truncate=[0, 1])
    with pytest.raises(StepError) as caught:
        shown(made.paths, tmp_path)
    assert caught.value.reason == "pixel-data-short"


def test_a_report_has_no_preview(tmp_path: Path) -> None:
    made = phantom.chest_ct(tmp_path / "ct", slices=2, rows=16, columns=16)
    with pytest.raises(StepError) as caught:
        shown([phantom.report(tmp_path, made)], tmp_path)
    assert caught.value.reason == "no-pixel-data"


def test_pictures_carry_no_text_about_the_patient(tmp_path: Path) -> None:
    made = phantom.chest_ct(tmp_path / "ct", slices=10, rows=32, columns=32)
    output = run_step(preview, made.paths, tmp_path).output_folder
    for name in ("montage.png", "middle.png"):
        data = (output / name).read_bytes()
        assert Image.open(output / name).info == {}
        assert not any(chunk in data for chunk in (b"tEXt", b"iTXt", b"zTXt", b"eXIf"))
    others: list[Path] = []
    for path in made.paths:
        dataset = pydicom.dcmread(path)
        dataset.PatientName, dataset.PatientID, dataset.StudyDate = "X", "Y", "19000101"
        dataset.save_as(tmp_path / path.name)
        others.append(tmp_path / path.name)
    again = run_step(preview, others, tmp_path / "other").output_folder
    assert (again / "montage.png").read_bytes() == (output / "montage.png").read_bytes()
