"""Greyscale and colour pipelines give the values that PS3.3 states, number by number."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_windowing

from hilum.dicom import presentation
from hilum.dicom.presentation import VoiTable, Window


def image(**values: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in {"BitsStored": 16, "PixelRepresentation": 0, "Modality": "MR", **values}.items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.mark.parametrize(
    ("center", "width", "x", "expected"),
    [
        # C.11.2.1.2.1, worked by hand: black up to c - 0.5 - (w-1)/2, white from c - 0.5 + (w-1)/2 on.
        (2048, 4096, 0, 0),
        (2048, 4096, 1, 1 / 4095 * 255),
        (2048, 4096, 2047, 2047 / 4095 * 255),
        (2048, 4096, 4095, 255),
        (0, 100, -50, 0),
        (0, 100, -49, 1 / 99 * 255),
        (0, 100, 0, (0.5 / 99 + 0.5) * 255),
        (0, 100, 49, 255),
        (0, 100, 900, 255),
        (0, 1, -1, 0),
        (0, 1, 0, 255),
        (40, 400, 40, (0.5 / 399 + 0.5) * 255),
    ],
)
def test_linear_windows_follow_the_formula(center: float, width: float, x: float, expected: float) -> None:
    assert Window(center, width).apply(np.array([x]))[0] == round(expected)


@pytest.mark.parametrize(
    ("x", "expected"), [(-50, 0), (-49, 0.01), (0, 0.5), (25, 0.75), (50, 1), (51, 1), (-700, 0)]
)
def test_exact_windows_follow_the_formula(x: float, expected: float) -> None:
    assert Window(0, 100, "LINEAR_EXACT").apply(np.array([x]))[0] == np.rint(np.float32(expected) * 255)


def test_sigmoid_windows_follow_the_formula() -> None:
    x = np.array([-2000, -100, 0, 60, 160, 2000])
    expected = np.rint(255 / (1 + np.exp(-4 * (x - 60) / 200)))
    assert Window(60, 200, "SIGMOID").apply(x).tolist() == expected.tolist()


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_windows_agree_with_pydicom(function: presentation.Function) -> None:
    values = np.arange(-1200, 3000, 7, dtype=np.int16)
    dataset = image(
        WindowCenter=40, WindowWidth=400, VOILUTFunction=function, PhotometricInterpretation="MONOCHROME2"
    )
    dataset.PixelRepresentation = 1
    dataset.BitsAllocated = 16
    theirs = apply_windowing(values, dataset)
    low, high = -(2**15), 2**15 - 1
    expected = (theirs - low) / (high - low) * 255
    assert np.abs(Window(40, 400, function).apply(values) - expected).max() <= 0.51


def test_the_first_of_several_windows_is_taken_and_a_senseless_one_is_not() -> None:
    assert presentation.header_voi(image(WindowCenter=[40, -600], WindowWidth=[400, 1500])) == Window(40, 400)
    assert presentation.header_voi(image(WindowCenter=40, WindowWidth=0)) is None
    assert presentation.header_voi(image(WindowCenter=40)) is None
    assert presentation.header_voi(image()) is None


def test_a_voi_lut_goes_before_a_window_and_clamps_at_its_ends() -> None:
    item = Dataset()
    item.LUTDescriptor = [4, 100, 12]
    item.LUTData = [0, 1000, 2000, 4095]
    dataset = image(VOILUTSequence=[item], WindowCenter=40, WindowWidth=400)
    table = presentation.header_voi(dataset)
    assert isinstance(table, VoiTable)
    expected = [0, 0, round(1000 / 4095 * 255), round(2000 / 4095 * 255), 255, 255]
    assert table.apply(np.array([0, 100, 101, 102, 103, 5000])).tolist() == expected


def test_a_voi_lut_of_bytes_and_of_a_negative_start_is_read() -> None:
    item = Dataset()
    item.LUTDescriptor = [2, 65536 - 10, 8]
    item.LUTData = b"\x00\xff"
    table = presentation.header_voi(image(VOILUTSequence=[item], PixelRepresentation=1))
    assert isinstance(table, VoiTable)
    assert (table.first, table.entries.tolist(), table.bits) == (-10, [0, 255], 8)


def test_without_a_window_ct_gets_soft_tissue_and_others_robust_percentiles() -> None:
    values = np.concatenate([np.linspace(100, 200, 1000), [60000]])
    assert presentation.default_window([values], image(Modality="CT")) == presentation.SOFT_TISSUE
    window = presentation.default_window([values], image())
    assert window.center - window.width / 2 == pytest.approx(100.5, abs=0.2)
    assert window.center + window.width / 2 == pytest.approx(199.6, abs=0.2)


def test_padding_does_not_count_for_the_default_window() -> None:
    values = np.concatenate([np.full(900, -2000.0), np.linspace(0, 100, 100)])
    window = presentation.default_window([values], image(PixelPaddingValue=-2000))
    assert window.center - window.width / 2 > -1


def test_one_value_throughout_is_no_reason_to_fail() -> None:
    window = presentation.default_window([np.full((4, 4), 7)], image())
    assert window.apply(np.full((2, 2), 7)).shape == (2, 2)


@pytest.mark.parametrize(
    ("values", "inverted"),
    [
        ({"PhotometricInterpretation": "MONOCHROME1"}, True),
        ({"PhotometricInterpretation": "MONOCHROME2"}, False),
        ({"PhotometricInterpretation": "MONOCHROME2", "PresentationLUTShape": "INVERSE"}, True),
        ({"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"}, True),
    ],
)
def test_monochrome1_is_shown_with_its_lowest_value_white(values: dict[str, str], inverted: bool) -> None:
    shades = presentation.grey(image(**values), np.array([0, 255]), Window(127.5, 255, "LINEAR_EXACT"))
    assert shades.tolist() == ([255, 0] if inverted else [0, 255])


def palette_image() -> Dataset:
    dataset = image(PhotometricInterpretation="PALETTE COLOR", BitsAllocated=8)
    for name, entries in (
        ("Red", [0, 0xFFFF, 0x8000]),
        ("Green", [0, 0, 0xFFFF]),
        ("Blue", [0xFFFF, 0, 0x4000]),
    ):
        setattr(dataset, f"{name}PaletteColorLookupTableDescriptor", [3, 10, 16])
        data = np.array(entries, "<u2").tobytes()
        setattr(dataset, f"{name}PaletteColorLookupTableData", data)
    return dataset


def test_palette_indices_become_the_palette_s_colours() -> None:
    rgb = presentation.colours(palette_image(), np.array([[10, 11], [12, 200]], dtype=np.uint8))
    assert rgb.tolist() == [[[0, 0, 255], [255, 0, 0]], [[128, 255, 64], [128, 255, 64]]]


def test_deep_colour_is_reduced_to_8_bits() -> None:
    rgb = presentation.colours(
        image(PhotometricInterpretation="RGB", SamplesPerPixel=3), np.array([[[0xFF00, 0x80FF, 0x0100]]])
    )
    assert rgb.tolist() == [[[255, 128, 1]]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"PixelSpacing": [2.0, 0.5]}, (2.0, 0.5)),
        ({"ImagerPixelSpacing": [0.2, 0.1]}, (0.2, 0.1)),
        ({"PixelSpacing": [2.0, 0.5], "ImagerPixelSpacing": [0.2, 0.1]}, (2.0, 0.5)),
        ({"PixelAspectRatio": [2, 1]}, (2.0, 1.0)),
        ({"PixelSpacing": [0.0, 0.0], "PixelAspectRatio": [4, 3]}, (4.0, 3.0)),
        ({}, (1.0, 1.0)),
    ],
)
def test_the_size_of_a_pixel_is_taken_from_where_it_is_stated(
    values: dict[str, object], expected: tuple[float, float]
) -> None:
    assert presentation.pixel_size(image(**values)) == expected


def test_ultrasound_regions_state_a_pixel_s_size_only_where_they_show_tissue() -> None:
    tissue, curve = Dataset(), Dataset()
    for region, unit, down in ((curve, 4, 0.9), (tissue, 3, 0.02)):
        region.PhysicalUnitsXDirection, region.PhysicalUnitsYDirection = 3 if unit == 3 else 4, 3
        region.PhysicalDeltaX, region.PhysicalDeltaY = 0.01, down
    assert presentation.pixel_size(image(SequenceOfUltrasoundRegions=[curve, tissue])) == (0.02, 0.01)


@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        ((1, 0, 0), "L"),
        ((-1, 0, 0), "R"),
        ((0, 1, 0), "P"),
        ((0, -1, 0), "A"),
        ((0, 0, 1), "H"),
        ((0, 0, -1), "F"),
        ((0.8, -0.6, 0), "LA"),
        ((0.1, 0.99, 0.05), "P"),
    ],
)
def test_directions_are_named_in_dicom_s_letters(
    direction: tuple[float, float, float], expected: str
) -> None:
    assert presentation.letters(direction) == expected


def test_edges_are_marked_left_right_top_bottom() -> None:
    assert presentation.edge_letters("L", "P") == ("R", "L", "A", "P")
    assert presentation.edge_letters("P", "FA") == ("A", "P", "HP", "FA")


def test_a_stated_orientation_must_be_letters() -> None:
    assert presentation.stated_orientation(image(PatientOrientation=["L", "F"])) == ("L", "F")
    assert presentation.stated_orientation(image(PatientOrientation=["DOE", "JOHN"])) is None
    assert presentation.stated_orientation(image()) is None


def test_overlays_are_burned_in_at_their_origin_and_clipped() -> None:
    dataset = image(Rows=4, Columns=4)
    for element, vr, value in (
        (0x0010, "US", 2),
        (0x0011, "US", 4),
        (0x0040, "CS", "G"),
        (0x0050, "SS", [2, 3]),
        (0x0100, "US", 1),
        (0x0102, "US", 0),
        (0x3000, "OW", b"\xff\x00"),
    ):
        dataset.add_new((0x6000, element), vr, value)
    burned = presentation.burn_overlays(dataset, np.zeros((4, 4), np.uint8))
    assert np.argwhere(burned == 255).tolist() == [[1, 2], [1, 3], [2, 2], [2, 3]]
