from __future__ import annotations

import gzip
import json
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate, generate_frames

from beds.contexts import measured, run_step
from beds.real import real_file, real_images
from beds.stacks import write_stack
from hilum.dicom import phantom
from hilum.dicom.pixels import frames
from hilum.errors import StepError
from hilum.steps.builtin.nifti import nifti
from hilum.steps.context import Context

SMALL = {"slices": 6, "rows": 20, "columns": 28}


def report_of(context: Context) -> dict[str, object]:
    return dict(json.loads((context.output_folder / "conversion.json").read_text()))


def files_of(context: Context) -> list[str]:
    return sorted(path.name for path in context.output_folder.iterdir())


def test_a_ct_becomes_one_volume_with_sidecar_and_account(tmp_path: Path) -> None:
    chest = phantom.chest_ct(tmp_path / "dicom", **SMALL)
    context = run_step(nifti, chest.paths, tmp_path)
    assert files_of(context) == ["conversion.json", "volume.json", "volume.nii.gz"]
    assert measured(context) == {
        "volumes": 1,
        "slices": 6,
        "voxels": 6 * 20 * 28,
        "instances_converted": 6,
        "instances_unconverted": 0,
    }
    assert report_of(context)["volumes"] == [
        {"file": "volume.nii.gz", "instances": 6, "shape": [28, 20, 6, 1]}
    ]
    values = np.asarray(nibabel.load(context.output_folder / "volume.nii.gz").dataobj)
    np.testing.assert_array_equal(values, chest.values[:, ::-1, :].transpose(2, 1, 0))


def test_diffusion_has_one_volume_for_each_b_value_and_its_table(tmp_path: Path) -> None:
    head = phantom.mr_series(tmp_path / "dicom", b_values=(0.0, 500.0, 1000.0), **SMALL)
    context = run_step(nifti, head.paths, tmp_path)
    assert nibabel.load(context.output_folder / "volume.nii.gz").shape == (28, 20, 6, 3)
    assert (context.output_folder / "volume.bval").read_text().split() == ["0", "500", "1000"]
    assert (context.output_folder / "volume.bvec").is_file()
    assert measured(context)["volumes"] == 3


def test_each_echo_has_its_own_file(tmp_path: Path) -> None:
    head = phantom.mr_series(tmp_path / "dicom", echoes=(10.0, 50.0), **SMALL)
    context = run_step(nifti, head.paths, tmp_path)
    assert {"volume_e1.nii.gz", "volume_e2.nii.gz", "volume_e1.json"} <= set(files_of(context))
    assert measured(context)["instances_converted"] == 12


def test_a_resampled_second_version_is_named_as_derived(tmp_path: Path) -> None:
    tilted = phantom.chest_ct(tmp_path / "dicom", tilt=12.0, **SMALL)
    context = run_step(nifti, tilted.paths, tmp_path)
    assert report_of(context)["derived"] == ["volume_Tilt_1.nii.gz"]
    assert measured(context)["volumes"] == 1


def test_what_cannot_be_converted_is_left_out_and_named_with_its_reason(tmp_path: Path) -> None:
    chest = phantom.chest_ct(tmp_path / "dicom", cut=[2], **SMALL)
    extra = [phantom.report(tmp_path / "dicom", chest), real_file("SC_rgb_rle_16bit.dcm")]
    context = run_step(nifti, [*chest.paths, *extra], tmp_path)
    assert report_of(context)["unconverted"] == [
        {"sop_instance_uid": "2", "reason": "pixel-data-short"},
        {"sop_instance_uid": "6", "reason": "no-pixel-data"},
        {"sop_instance_uid": "7", "reason": "color-depth"},
    ]
    assert measured(context)["instances_converted"] == 5
    assert measured(context)["instances_unconverted"] == 3
    assert context.readings[-1].instances == ("2", "6", "7")


@pytest.mark.parametrize("name", ["test-SR.dcm", "rtplan.dcm", "rtstruct.dcm", "waveform_ecg.dcm"])
def test_what_is_no_image_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(StepError) as refused:
        run_step(nifti, [real_file(name)], tmp_path)
    assert refused.value.reason == "no-pixel-data"


@pytest.mark.slow
def test_every_real_image_is_converted_or_refused_with_a_reason(tmp_path: Path) -> None:
    refused = {}
    for number, path in enumerate(real_images()):
        try:
            context = run_step(nifti, [path], tmp_path / str(number))
            assert measured(context)["instances_converted"] == 1, path.name
        except StepError as error:
            refused[path.name] = error.reason
    assert refused == {
        "JPEG2000-embedded-sequence-delimiter.dcm": "undecodable",
        "MR_truncated.dcm": "pixel-data-short",
        "SC_rgb_rle_16bit.dcm": "color-depth",
        "SC_rgb_rle_16bit_2frame.dcm": "color-depth",
        "SC_rgb_rle_32bit.dcm": "color-depth",
        "SC_rgb_rle_32bit_2frame.dcm": "color-depth",
        "badVR.dcm": "bad-header",
        "meta_missing_tsyntax.dcm": "bad-header",
        "nested_priv_SQ.dcm": "bad-header",
    }


@pytest.mark.parametrize(
    "name",
    [
        "image_dfl.dcm",
        "JPGExtended.dcm",
        "J2K_pixelrep_mismatch.dcm",
        "SC_rgb_small_odd_big_endian.dcm",
        "SC_ybr_full_422_uncompressed.dcm",
    ],
)
def test_what_dcm2niix_reads_wrong_is_decoded_first(name: str, tmp_path: Path) -> None:
    context = run_step(nifti, [real_file(name)], tmp_path)
    found = np.asarray(nibabel.load(context.output_folder / "volume.nii.gz").dataobj)
    if found.dtype.names:
        found = np.stack([found[channel] for channel in "RGB"], axis=-1)
    expected = frames(real_file(name))[:, ::-1].swapaxes(0, 2)
    np.testing.assert_array_equal(found, expected)


def test_a_compressed_image_that_dcm2niix_stumbles_over_is_decoded_and_tried_again(tmp_path: Path) -> None:
    image = pydicom.dcmread(real_file("MR_small_jpeg_ls_lossless.dcm"))
    [frame] = generate_frames(image.PixelData, number_of_frames=1)
    image.PixelData = encapsulate([frame], fragments_per_frame=3)
    image.save_as(tmp_path / "fragmented.dcm")
    context = run_step(nifti, [tmp_path / "fragmented.dcm"], tmp_path)
    found = np.asarray(nibabel.load(context.output_folder / "volume.nii.gz").dataobj)
    np.testing.assert_array_equal(found[:, :, 0], image.pixel_array[::-1].T)


def test_a_sidecar_names_neither_patient_nor_dates_unless_asked(tmp_path: Path) -> None:
    marked = {
        "PatientName": "MARKER^A",
        "PatientID": "MARKER",
        "PatientBirthDate": "19610203",
        "AccessionNumber": "MARKER",
        "ReferringPhysicianName": "MARKER",
        "ImageComments": "MARKER",
    }
    paths = write_stack(tmp_path / "MARKER", **marked)
    hidden = run_step(nifti, paths, tmp_path / "hidden").output_folder
    shown = run_step(nifti, paths, tmp_path / "shown", anonymize_sidecar=False).output_folder
    for path in hidden.iterdir():
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        assert b"MARKER" not in content
        assert b"1961" not in content
    assert json.loads((shown / "volume.json").read_text())["PatientID"] == "MARKER"


def test_the_same_input_gives_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    paths = list(phantom.chest_ct(tmp_path / "dicom", **SMALL).paths)
    first = run_step(nifti, paths, tmp_path / "1").output_folder
    second = run_step(nifti, paths[::-1], tmp_path / "2").output_folder
    for path in first.iterdir():
        if path.name != "conversion.json":
            assert path.read_bytes() == (second / path.name).read_bytes(), path.name


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_gzip_is_one_member_and_larger_than_one_block(level: int, tmp_path: Path) -> None:
    """Some readers, browsers' among them, refuse a second member."""
    import zlib

    paths = write_stack(tmp_path / "dicom", 3, size=(700, 900))
    packed = (run_step(nifti, paths, tmp_path, level=level).output_folder / "volume.nii.gz").read_bytes()
    inflate = zlib.decompressobj(wbits=31)
    content = inflate.decompress(packed)
    assert inflate.eof
    assert inflate.unused_data == b""
    assert len(content) == 352 + 3 * 700 * 900 * 2


def test_slices_stay_slices_in_3d_acquisitions(tmp_path: Path) -> None:
    sagittal = (0, 1, 0, 0, 0, -1)
    paths = write_stack(tmp_path / "dicom", orientation=sagittal, Modality="MR", MRAcquisitionType="3D")
    context = run_step(nifti, paths, tmp_path)
    assert nibabel.load(context.output_folder / "volume.nii.gz").shape == (10, 12, 5)


def test_defaults_in_somebodys_home_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".dcm2nii.ini").write_text("isGZ=1\nfilename=%n_%i\nisBIDS=0\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    context = run_step(nifti, write_stack(tmp_path / "dicom"), tmp_path)
    assert files_of(context) == ["conversion.json", "volume.json", "volume.nii.gz"]


def test_a_converter_that_does_not_end_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(StepError) as refused:
        run_step(nifti, write_stack(tmp_path / "dicom", 40, size=(256, 256)), tmp_path, timeout=1e-6)
    assert refused.value.reason == "conversion-timeout"


def test_nothing_of_the_header_is_in_an_error(tmp_path: Path) -> None:
    paths = write_stack(tmp_path / "dicom", 1, PatientName="MARKER^A", PhotometricInterpretation="MARKER")
    image = pydicom.dcmread(paths[0])
    image.Rows = 60000
    image.save_as(paths[0])
    with pytest.raises(StepError) as refused:
        run_step(nifti, paths, tmp_path)
    assert refused.value.reason == "pixel-data-short"
    assert "MARKER" not in str(refused.value)
