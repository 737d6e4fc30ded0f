from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from beds.real import real_file, real_images
from beds.stacks import write_stack
from hilum.dicom.pixels import (
    frames,
    has_pixels,
    iter_frames,
    missing_bytes,
    modality_values,
    read_instance,
    rescale,
    transfer_syntax,
)
from hilum.errors import StepError

DECODED_BY_PYDICOM = [
    "CT_small.dcm",
    "MR_small_RLE.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_jp2klossless.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "image_dfl.dcm",
    "693_J2KI.dcm",
    "JPEGLSNearLossless_16.dcm",
    "SC_rgb_jpeg_gdcm.dcm",
    "SC_rgb_rle_16bit_2frame.dcm",
    "SC_rgb_small_odd_big_endian.dcm",
    "SC_ybr_full_422_uncompressed.dcm",
    "examples_ybr_color.dcm",
    "examples_palette.dcm",
    "liver_1frame.dcm",
    "rtdose.dcm",
]


@pytest.mark.parametrize("name", DECODED_BY_PYDICOM)
def test_frames_are_what_pydicom_decodes_with_a_frame_axis_in_front(name: str) -> None:
    expected = pydicom.dcmread(real_file(name)).pixel_array
    found = frames(real_file(name))
    assert found.shape == expected.shape if found.shape[0] > 1 else found.shape[1:] == expected.shape
    np.testing.assert_array_equal(found.reshape(expected.shape), expected)
    assert found.dtype.isnative


def test_of_all_real_images_only_the_damaged_cannot_be_decoded() -> None:
    refused = {}
    for path in real_images():
        try:
            frames(path)
        except StepError as error:
            refused[path.name] = error.reason
    assert refused == {
        "JPEG2000-embedded-sequence-delimiter.dcm": "undecodable",
        "MR_truncated.dcm": "pixel-data-short",
        "badVR.dcm": "bad-header",
        "meta_missing_tsyntax.dcm": "bad-header",
        "nested_priv_SQ.dcm": "bad-header",
    }


def test_twelve_bit_jpeg_which_pydicom_refuses_is_decoded() -> None:
    values = frames(real_file("JPGExtended.dcm"))
    assert values.shape == (1, 1024, 256)
    assert (values.dtype, values.min(), values.max()) == (np.uint16, 0, 264)


@pytest.mark.parametrize("name", ["rtdose.dcm", "rtdose_rle.dcm", "examples_ybr_color.dcm"])
def test_frames_come_one_by_one_as_they_come_together(name: str) -> None:
    together = frames(real_file(name))
    one_by_one = list(iter_frames(real_file(name)))
    assert len(one_by_one) == len(together) > 1
    np.testing.assert_array_equal(np.stack(one_by_one), together)


@pytest.mark.parametrize("name", ["CT_small.dcm", "693_J2KI.dcm", "rtdose.dcm", "examples_ybr_color.dcm"])
def test_reading_pixels_leaves_none_in_the_dataset(name: str) -> None:
    dataset = read_instance(real_file(name))
    before = dataset.get_item("PixelData", keep_deferred=True)
    frames(dataset)
    assert dataset.get_item("PixelData", keep_deferred=True) is before


def test_bits_above_bits_stored_are_not_part_of_the_value(tmp_path: Path) -> None:
    [path] = write_stack(tmp_path, 1, BitsStored=12, HighBit=11, size=(1, 3))
    image = pydicom.dcmread(path)
    image.PixelData = np.array([0x7801, 0x0FFF, 0xF7FF], "<u2").tobytes()
    image.save_as(path)
    assert frames(path).ravel().tolist() == [-2047, -1, 2047]


def test_a_file_without_preamble_or_meta_is_read() -> None:
    assert transfer_syntax(read_instance(real_file("ExplVR_LitEndNoMeta.dcm"))) == "1.2.840.10008.1.2.1"
    assert transfer_syntax(read_instance(real_file("ExplVR_BigEndNoMeta.dcm"))) == "1.2.840.10008.1.2.2"


def test_a_report_has_no_pixel_data() -> None:
    dataset = read_instance(real_file("test-SR.dcm"))
    assert not has_pixels(dataset)
    with pytest.raises(StepError) as refused:
        frames(dataset)
    assert refused.value.reason == "no-pixel-data"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CT_small.dcm", 0),
        ("MR_truncated.dcm", 62),
        ("liver_1frame.dcm", 0),
        ("SC_ybr_full_422_uncompressed.dcm", 0),
        ("693_J2KI.dcm", 0),
        ("image_dfl.dcm", 0),
    ],
)
def test_missing_bytes_are_counted_without_reading_pixels(name: str, expected: int) -> None:
    assert missing_bytes(read_instance(real_file(name))) == expected


def test_a_cut_file_is_refused_and_not_filled_up(tmp_path: Path) -> None:
    [path] = write_stack(tmp_path, 1, size=(400, 300))
    path.write_bytes(path.read_bytes()[:-100])
    assert missing_bytes(read_instance(path)) == 100
    with pytest.raises(StepError, match="pixel data holds 239900 of the 240000 bytes") as refused:
        frames(path)
    assert refused.value.reason == "pixel-data-short"


def test_an_unknown_transfer_syntax_is_refused(tmp_path: Path) -> None:
    [path] = write_stack(tmp_path, 1)
    dataset = read_instance(path)
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.201"
    with pytest.raises(StepError) as refused:
        frames(dataset)
    assert refused.value.reason == "undecodable"


@pytest.mark.parametrize(
    ("stored", "attributes", "expected", "dtype"),
    [
        ([0, 4095], {"PixelRepresentation": 0, "BitsStored": 12}, [-1024, 3071], np.int16),
        ([0, 65535], {"PixelRepresentation": 0}, [-1024, 64511], np.int32),
        ([0, 33000], {"PixelRepresentation": 0}, [-1024, 31976], np.int16),
        ([-32768, 0], {}, [-33792, -1024], np.int32),
        ([-2000, 2000], {}, [-3024, 976], np.int16),
        ([1, 2], {"RescaleSlope": 3, "RescaleIntercept": -2}, [1, 4], np.int16),
        ([1, 2], {"RescaleSlope": "0.5", "RescaleIntercept": "-0.25"}, [0.25, 0.75], np.float32),
        ([40000, 50000], {"PixelRepresentation": 0, "RescaleIntercept": -40000}, [0, 10000], np.int16),
        ([-5, 5], {"RescaleSlope": None, "RescaleIntercept": None}, [-5, 5], np.int16),
    ],
)
def test_modality_values_take_the_smallest_type_that_holds_them(
    stored: list[int], attributes: dict[str, object], expected: list[float], dtype: type, tmp_path: Path
) -> None:
    [path] = write_stack(tmp_path, 1, **attributes)
    dataset = read_instance(path)
    kind = np.int16 if dataset.PixelRepresentation else np.uint16
    values = modality_values(dataset, np.array(stored, kind))
    assert values.tolist() == expected
    assert values.dtype == dtype


def test_a_modality_lut_is_looked_up_and_held_at_its_ends(tmp_path: Path) -> None:
    [path] = write_stack(tmp_path, 1)
    dataset = read_instance(path)
    table = pydicom.Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [3, 10, 16], "US"
    table.LUTData = [100, 50, 7]
    dataset.ModalityLUTSequence = [table]
    assert modality_values(dataset, np.array([-3, 10, 11, 12, 99], np.int16)).tolist() == [100, 100, 50, 7, 7]


@pytest.mark.parametrize(
    ("attributes", "unit"),
    [
        ({}, "[hnsf'U]"),
        ({"RescaleType": "HU"}, "[hnsf'U]"),
        ({"RescaleType": "US"}, "1"),
        ({"RescaleType": "HU_MOD"}, "1"),
        ({"RescaleType": "MGML"}, "mg/mL"),
        ({"Modality": "MR"}, "1"),
        ({"Modality": "PT", "Units": "BQML"}, "Bq/mL"),
        ({"Modality": "PT", "Units": "CNTS"}, "1"),
    ],
)
def test_the_unit_follows_the_header(attributes: dict[str, object], unit: str, tmp_path: Path) -> None:
    [path] = write_stack(tmp_path, 1, **attributes)
    assert rescale(read_instance(path)).unit == unit


def test_a_slope_that_is_no_number_is_a_bad_header(tmp_path: Path) -> None:
    [path] = write_stack(tmp_path, 1)
    path.write_bytes(path.read_bytes().replace(b"-1024.0 ", b"-10x4.0 "))
    with pytest.raises(StepError) as refused:
        rescale(read_instance(path))
    assert refused.value.reason == "bad-header"


def test_what_does_not_parse_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "damaged"
    whole = real_file("image_dfl.dcm").read_bytes()
    path.write_bytes(whole[:400] + b"\xff" * 4000)
    with pytest.raises(StepError) as refused:
        read_instance(path)
    assert refused.value.reason == "unreadable"


def test_a_missing_file_is_no_fault_of_its_content(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_instance(tmp_path / "gone.dcm")
