"""``volume()`` and the NIfTI of dcm2niix agree voxel for voxel and affine for affine on every series at hand, or
``volume()`` refuses with the reason that is written down here for that series.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest

from beds.contexts import measured, run_step
from beds.corpora import DEBIAN, contents
from beds.real import TEST_FILES, has_pixels, real_images, real_series
from beds.stacks import write_stack
from hilum.dicom import phantom
from hilum.dicom.series import ImageSeries
from hilum.errors import StepError
from hilum.steps.builtin.nifti import nifti
from hilum.steps.builtin.qc import qc

TILTED = (1.0, 0.0, 0.0, 0.0, 0.92807, 0.37240)
OBLIQUE = (0.955336, 0.295520, 0.0, -0.282321, 0.912668, 0.295520)
SYNTAXES = {
    "implicit": "1.2.840.10008.1.2",
    "big-endian": "1.2.840.10008.1.2.2",
    "deflated": "1.2.840.10008.1.2.1.99",
    "jpeg-ls": "1.2.840.10008.1.2.4.80",
    "rle": "1.2.840.10008.1.2.5",
}

Maker = Callable[[Path], list[Path]]


def ct(**options: object) -> Maker:
    return lambda folder: list(phantom.chest_ct(folder, **{**SMALL, **options}).paths)


def mr(**options: object) -> Maker:
    return lambda folder: list(phantom.mr_series(folder, **{**SMALL, **options}).paths)


def made(**options: object) -> Maker:
    return lambda folder: write_stack(folder, **options)


def philips(**options: object) -> Maker:
    def write(folder: Path) -> list[Path]:
        paths = write_stack(folder, Manufacturer="Philips", Modality="MR", RescaleIntercept=0, **options)
        for path in paths:
            image = pydicom.dcmread(path)
            block = image.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
            block.add_new(0x0E, "FL", 0.01)
            block.add_new(0x0D, "FL", 0.0)
            image.save_as(path)
        return paths

    return write


def with_companion(companion: Callable[..., Path], *, alone: bool = False) -> Maker:
    def write(folder: Path) -> list[Path]:
        chest = phantom.chest_ct(folder, **SMALL)
        target = folder / "enhanced.dcm" if companion is phantom.enhanced_ct else folder
        extra = companion(target, chest)
        return [extra] if alone else [*chest.paths, extra]

    return write


SMALL = {"slices": 6, "rows": 20, "columns": 28}

AGREE: dict[str, Maker] = {
    **{
        f"{kind} {orientation}{' reversed' * reverse}": make(orientation=orientation, reverse=reverse)
        for kind, make in (("CT", ct), ("MR", mr))
        for orientation in ("axial", "coronal", "sagittal", "oblique")
        for reverse in (False, True)
    },
    **{
        f"CT {name} {'signed' if signed else 'unsigned'}": ct(transfer_syntax=syntax, signed=signed)
        for name, syntax in SYNTAXES.items()
        for signed in (False, True)
    },
    "whole slope": ct(slope=2, intercept=-1000),
    "broken slope": ct(slope=0.37, intercept=-12.5),
    "slope changes between slices": ct(rescale=[2]),
    "one slice is constant": ct(constant=[1]),
    "with a report": with_companion(phantom.report),
    "enhanced CT": with_companion(phantom.enhanced_ct, alone=True),
    "doubly oblique": made(orientation=OBLIQUE),
    "patient prone": made(orientation=(-1, 0, 0, 0, -1, 0)),
    "feet first": made(orientation=(-1, 0, 0, 0, 1, 0)),
    "unequal slice order": made(slices=6, InstanceNumber=lambda number: (3, 1, 5, 2, 6, 4)[number]),
    "unsigned 16 bit": made(PixelRepresentation=0),
    "unsigned 16 bit, no rescale": made(PixelRepresentation=0, RescaleSlope=None, RescaleIntercept=None),
    "signed 12 bit": made(BitsStored=12, HighBit=11),
    "8 bit": made(BitsAllocated=8, BitsStored=8, HighBit=7, PixelRepresentation=0),
    "MONOCHROME1": made(PhotometricInterpretation="MONOCHROME1"),
    "PET, a slope for each slice": made(
        Modality="PT", RescaleSlope=lambda number: 0.5 + number / 10, RescaleIntercept=0
    ),
    "Philips MR with private scaling": philips(RescaleSlope=2.5),
    "two slices": made(slices=2),
    "one slice": made(slices=1),
    "one slice without thickness": made(slices=1, SliceThickness=None),
    "one slice with spacing": made(slices=1, SpacingBetweenSlices=3.5),
    "tilted, stacked along the normal": made(orientation=TILTED, GantryDetectorTilt=21.9),
    "3D acquisition": made(orientation=(0, 1, 0, 0, 0, -1), Modality="MR", MRAcquisitionType="3D"),
    "two acquisitions of one volume": made(AcquisitionNumber=lambda number: 1 + number // 3),
    "a slice off by 0.05 mm": made(distances=[0, 2.5, 5.05, 7.5, 10]),
}

REFUSED: dict[str, tuple[str, Maker]] = {
    "gantry tilt": ("gantry-tilt", ct(tilt=12.0)),
    "one slice of a tilted gantry": (
        "gantry-tilt",
        made(slices=1, orientation=TILTED, GantryDetectorTilt=21.9),
    ),
    "Philips MR with private scaling that varies": (
        "private-scaling",
        philips(RescaleSlope=lambda number: 2.5 + number),
    ),
    "slice missing": ("irregular-spacing", ct(drop=[3])),
    "slices misplaced": ("irregular-spacing", ct(jitter=0.8)),
    "slice doubled": ("duplicate-positions", ct(duplicate=[2])),
    "slice turned": ("mixed-orientation", ct(turn=[2])),
    "slice of another size": ("mixed-size", ct(resize=[1])),
    "pixel spacing differs": ("mixed-spacing", made(PixelSpacing=lambda number: [0.8 + number % 2, 0.7])),
    "slice truncated": ("pixel-data-short", ct(truncate=[2])),
    "file cut": ("pixel-data-short", ct(cut=[3])),
    "two echoes": ("several-volumes", mr(echoes=(10.0, 50.0))),
    "three b-values": ("several-volumes", mr(b_values=(0.0, 500.0, 1000.0))),
    "two phases": ("several-volumes", mr(phases=2)),
    "with a localizer": ("mixed-size", with_companion(phantom.localizer)),
    "with a secondary capture": ("color", with_companion(phantom.secondary_capture)),
    "a report": ("no-pixel-data", with_companion(phantom.report, alone=True)),
    "unit changes": ("mixed-unit", made(RescaleType=lambda number: ("HU", "US")[number % 2])),
}

REAL_REFUSED = {
    "dicomdirtests/77654033/CT2/17106": "irregular-spacing",
    "dicomdirtests/98892001/CT2N/6293": "mixed-orientation",
    "dicomdirtests/98892003/MR2/4950": "mixed-orientation",
    "dicomdirtests/98892003/MR2/6273": "mixed-orientation",
    "dicomdirtests/98892003/MR700/4467": "mixed-orientation",
    "J2K_pixelrep_mismatch.dcm": "gantry-tilt",
    "MR_truncated.dcm": "pixel-data-short",
    "badVR.dcm": "bad-header",
    "examples_palette.dcm": "color",
}
WITHOUT_GEOMETRY = (
    "JPEG",
    "JPG",
    "image_dfl",
    "meta_missing",
    "nested_priv",
    "rtdose.",
    "rtdose_expb.",
    "rtdose_rle.",
)
COLOUR = ("ExplVR_BigEnd", "GDCMJ2K", "SC_", "examples_jpeg2k", "examples_rgb", "examples_ybr")

OTHERS: dict[str, dict[str, str]] = {
    "pynetdicom": {
        "CTImageStorage.dcm": "duplicate-positions",  # and the same image once more, without a meta header
        "MRImageStorage_ExplicitVRBigEndian.dcm": "",
        "RTImageStorage.dcm": "no-geometry",
    },
    "nibabel": {
        "0.dcm": "mosaic",
        "decimal_rescale.dcm": "",
        "philips_mprage.dcm": "",
        "slicethickness_empty_string.dcm": "",
    },
    "debian": {
        "01-anat-scout/0001.dcm": "",
        "01-fmap_acq-3mm/1.3.12.2.1107.5.2.43.66112.2016101409263663466202201.dcm": "",
        "Phoenix/01+AA/01+AA+00001.dcm": "",
        "data/axasc35.dcm": "mosaic",
        "data/b0dwiForFmap/b0dwi_for_fmap+00001.dcm": "mosaic",
        "data/phantom.dcm": "",
        "dicom3tools/examples/0051.dcm": "mosaic",
        "dicomnifti/examples/0001.dcm": "mosaic",
        "imdata/CT-MONO2-16-ankle.dcm": "no-geometry",
        "imdata/US-PAL-8-10x-echo.dcm": "color",
        "imdata/simple-test.dcm": "no-geometry",
        "imdata/simpleImageWithIcon.dcm": "no-geometry",
        "test_files/SC_rgb_jpeg_lossy_gdcm.dcm": "color",
    },
}
"""Of the other collections, by how the path of a series' first file ends: why it is refused; empty if it agrees."""


def real_cases() -> dict[str, list[Path]]:
    """Series of several files, and every other file as a series of its own."""
    cases = real_series()
    grouped = {path for paths in cases.values() for path in paths}
    singles = {str(path.relative_to(TEST_FILES)): [path] for path in real_images() if path not in grouped}
    return cases | singles


REAL = real_cases()


def refusal(name: str) -> str:
    """Why ``volume()`` must refuse a real series; empty if it must agree."""
    if name in REAL_REFUSED:
        return REAL_REFUSED[name]
    if name.startswith(COLOUR):
        return "color"
    return "no-geometry" if name.startswith((*WITHOUT_GEOMETRY, "dicomdirtests/77654033/CR")) else ""


def assert_agrees(paths: list[Path], folder: Path) -> None:
    volume = ImageSeries(paths).volume()
    written = run_step(nifti, paths, folder).output_folder
    (only,) = json.loads((written / "conversion.json").read_text())["volumes"]
    image = nibabel.load(written / only["file"])
    expected = np.asarray(image.dataobj)
    assert volume.array.shape == expected.shape
    np.testing.assert_allclose(volume.array, expected, rtol=1e-6, atol=1e-4)
    corners = np.array(np.meshgrid(*[(0, size - 1) for size in expected.shape])).reshape(3, -1)
    for_corners = np.vstack([corners, np.ones(8)])
    apart = np.linalg.norm(((volume.affine - image.affine) @ for_corners)[:3], axis=0)
    assert apart.max() < 0.01, f"a corner is {apart.max():.3f} mm away"
    assert len(volume.instances) == volume.array.shape[2]


@pytest.mark.parametrize("name", AGREE)
def test_a_made_series_agrees(name: str, tmp_path: Path) -> None:
    assert_agrees(AGREE[name](tmp_path / "dicom"), tmp_path)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_single_volume_is_refused_with_its_reason(name: str, tmp_path: Path) -> None:
    reason, make = REFUSED[name]
    with pytest.raises(StepError) as refused:
        ImageSeries(make(tmp_path / "dicom")).volume()
    assert refused.value.reason == reason


@pytest.mark.parametrize("name", REAL)
def test_a_real_series_agrees_or_is_refused_with_its_reason(name: str, tmp_path: Path) -> None:
    reason = refusal(name)
    if not reason:
        assert_agrees(REAL[name], tmp_path)
        return
    with pytest.raises(StepError) as refused:
        ImageSeries(REAL[name]).volume()
    assert refused.value.reason == reason


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[list[Path]]]:
    """The image series of each of the other collections, unpacked; none where Debian's files are missing."""
    found = {}
    for corpus in OTHERS:
        folder = tmp_path_factory.mktemp(corpus)
        series: dict[tuple[Path, object], list[Path]] = defaultdict(list)
        for name, content in contents(corpus):
            path = folder / name.removesuffix(".gz")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            if path.suffix == ".dcm" and has_pixels(path):
                uid = pydicom.dcmread(path, force=True, stop_before_pixels=True).get("SeriesInstanceUID")
                series[path.parent, uid].append(path)
        found[corpus] = list(series.values())
    return found


def needs(corpus: str) -> None:
    if corpus == "debian" and not (DEBIAN / "complete").exists():
        pytest.skip("Debian's DICOM files are not here; `make beds` fetches them")


@pytest.mark.parametrize(("corpus", "name"), [(corpus, name) for corpus in OTHERS for name in OTHERS[corpus]])
def test_a_series_of_another_collection_agrees_or_is_refused_with_its_reason(
    corpus: str, name: str, others: dict[str, list[list[Path]]], tmp_path: Path
) -> None:
    needs(corpus)
    (paths,) = (paths for paths in others[corpus] if str(paths[0]).endswith(f"/{name}"))
    reason = OTHERS[corpus][name]
    if not reason:
        assert_agrees(paths, tmp_path)
        return
    with pytest.raises(StepError) as refused:
        ImageSeries(paths).volume()
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("corpus", "name"),
    [(corpus, name) for corpus, found in OTHERS.items() for name in found if found[name] in ("", "mosaic")],
)
def test_qc_says_what_is_a_mosaic_and_does_not_call_it_regular(
    corpus: str, name: str, others: dict[str, list[list[Path]]], tmp_path: Path
) -> None:
    needs(corpus)
    (paths,) = (paths for paths in others[corpus] if str(paths[0]).endswith(f"/{name}"))
    context = run_step(qc, paths, tmp_path)
    codes = {found["code"] for found in json.loads((context.output_folder / "findings.json").read_text())}
    mosaic = OTHERS[corpus][name] == "mosaic"
    assert ("mosaic" in codes) == mosaic
    assert measured(context)["regular"] == (not codes & {"mosaic", "projection"})


@pytest.mark.parametrize("corpus", OTHERS)
def test_no_series_of_another_collection_is_left_out(
    corpus: str, others: dict[str, list[list[Path]]]
) -> None:
    needs(corpus)
    assert len(others[corpus]) == len(OTHERS[corpus])


def test_the_comparison_is_not_empty() -> None:
    agreeing = [name for name in REAL if not refusal(name)]
    several = [name for name in agreeing if len(REAL[name]) > 1]
    assert len(AGREE) >= 40
    assert len(agreeing) >= 15
    assert several == ["dicomdirtests/98892001/CT5N/2062"]


def test_where_positions_are_rounded_the_affine_follows_the_whole_stack_and_not_the_first_gap(
    tmp_path: Path,
) -> None:
    distances = [round(0.625 * number, 2) for number in range(60)]
    paths = write_stack(tmp_path / "dicom", 60, distances=distances)
    volume = ImageSeries(paths).volume()
    image = nibabel.load(run_step(nifti, paths, tmp_path).output_folder / "volume.nii.gz")
    last = np.array([0, 0, 59, 1])
    assert (volume.affine @ last)[2] == pytest.approx(30 + distances[-1], abs=0.01)
    assert (image.affine @ last)[2] == pytest.approx(30 + distances[-1], abs=0.5)
    assert abs((image.affine @ last)[2] - 30 - distances[-1]) > 0.2  # dcm2niix: 59 times the first gap
