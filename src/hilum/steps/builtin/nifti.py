"""``nifti``: DICOM to NIfTI with BIDS sidecars and diffusion tables.

dcm2niix does the conversion, because the field trusts it with vendors' oddities; three things are done around it.
What its build decodes wrongly or not at all is decoded before (TRUSTED says what it is left to). Its own
compression, nine tenths of its time, is replaced by ISA-L's. And every input instance is accounted for: in an
output, or by a reason in ``conversion.json``.
"""

from __future__ import annotations

import json
import mmap
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from hilum.dicom.quiet import quiet_pydicom
from hilum.errors import StepError
from hilum.steps.api import Code, Measure, Output, Parameters, step
from hilum.steps.context import Context, InputInstance

if TYPE_CHECKING:
    from pydicom import Dataset

TRUSTED = {
    "1.2.840.10008.1.2": "implicit little endian",
    "1.2.840.10008.1.2.1": "explicit little endian",
    "1.2.840.10008.1.2.4.50": "JPEG baseline",
    "1.2.840.10008.1.2.4.57": "JPEG lossless",
    "1.2.840.10008.1.2.4.70": "JPEG lossless, first-order prediction",
    "1.2.840.10008.1.2.4.80": "JPEG-LS lossless",
    "1.2.840.10008.1.2.4.81": "JPEG-LS near-lossless",
    "1.2.840.10008.1.2.5": "RLE",
}
"""Transfer syntaxes that dcm2niix reads right. Found by converting files of each and comparing voxels: it refuses
12-bit JPEG, reads one voxel of a deflated file, swaps bytes of 8-bit big endian, and takes signed JPEG 2000 for
unsigned where code stream and header disagree."""

NEVER_COMPRESSED = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")

COMPRESSION_THREADS = 2
CONVERTED = re.compile(r"^Convert (\d+) DICOM as (.+) \((\d+)x(\d+)x(\d+)x(\d+)\)$", re.MULTILINE)


class NiftiParameters(Parameters):
    """How to convert."""

    level: int = Field(
        default=2, ge=0, le=3, description="ISA-L's compression level; 2 comes within 2 % of gzip -6 on CT"
    )
    anonymize_sidecar: bool = Field(
        default=True,
        description="Leave patient, dates and comments out of sidecar and NIfTI header; what describes the device, "
        "the institution and the series stays: de-identify before where that is too much",
    )
    philips_precise: bool = Field(
        default=False,
        description="Scale Philips MR by its private factors, to compare between series, and not by Rescale Slope; "
        "dcm2niix's own default, here off, so that values are those of the other steps (but for series whose "
        "Rescale Slope changes, where it is always on)",
    )
    timeout: float = Field(default=300.0, gt=0, description="Seconds that dcm2niix may take")


@dataclass(frozen=True, slots=True)
class Conversion:
    """One output of dcm2niix: file name without extension, instances in it, voxels along each axis."""

    stem: str
    instances: int
    shape: tuple[int, int, int, int]


def _count(name: str, meaning: str) -> Measure:
    return Measure(name, Code(name.replace("_", "-"), "99HILUM", meaning), kind="integer")


@step(
    "nifti",
    version="2",
    outputs=[
        Output("nifti", "*.nii.gz", "application/gzip", many=True),
        Output("sidecar", "volume*.json", "application/json", required=False, many=True),
        Output("bval", "*.bval", "text/plain", required=False, many=True),
        Output("bvec", "*.bvec", "text/plain", required=False, many=True),
        Output("conversion", "conversion.json", "application/json"),
    ],
    measurements=[
        _count("volumes", "Number of volumes converted"),
        _count("slices", "Number of slices converted"),
        _count("voxels", "Number of voxels converted"),
        _count("instances_converted", "Number of instances converted"),
        _count("instances_unconverted", "Number of instances not converted"),
    ],
)
@quiet_pydicom()
def nifti(ctx: Context, parameters: NiftiParameters) -> None:
    """Convert images to NIfTI with BIDS sidecars.

    Writes ``volume*.nii.gz`` (dcm2niix's suffixes tell echoes, phases and so on apart; slices are kept in DICOM's
    planes, also those of 3D acquisitions), sidecars, diffusion tables, and ``conversion.json``, which accounts
    for every instance. Refuses with StepError ``no-pixel-data`` where no instance is an image,
    ``conversion-failed`` where dcm2niix makes nothing of them, ``conversion-timeout`` where it does not end.
    """
    ready, left_out = _sort_out(ctx)
    if not ready:
        raise StepError(
            "no instance can be converted",
            reason=_most_common(left_out),
            hint="let the pipeline select images by Modality",
        )
    ctx.progress(0.1, "converting")
    options = _options(parameters, [dataset for _, dataset in ready])
    for trusted in (TRUSTED, NEVER_COMPRESSED):  # again with all decoded, where dcm2niix stumbled over some
        work = ctx.scratch / f"{len(trusted)}-syntaxes"
        staged, uncompressed = _stage(work / "input", ready, trusted, left_out)
        made = _run_dcm2niix(work / "input", work / "output", options, parameters.timeout) if staged else []
        if sum(one.instances for one in made) >= len(staged) or uncompressed == len(staged):
            break
    if not made:
        raise StepError(
            "dcm2niix converted none of the instances",
            reason="conversion-failed" if staged else _most_common(left_out),
            hint="see what qc says of the series",
        )
    ctx.progress(0.5, "compressing")
    for path in sorted((work / "output").iterdir()):
        if path.suffix == ".nii":
            _compress(path, ctx.output_folder / f"{path.name}.gz", parameters.level)
        elif path.suffix in (".json", ".bval", ".bvec"):
            shutil.move(path, ctx.output_folder / path.name)
    _account(ctx, made, staged, left_out)


def _sort_out(ctx: Context) -> tuple[list[tuple[InputInstance, Dataset]], dict[str, str]]:
    """The instances to convert, and by SOP Instance UID the reason of those that cannot be."""
    from hilum.dicom.pixels import has_pixels, missing_bytes

    ready, left_out = [], {}
    for instance, dataset in zip(ctx.instances, ctx.series.datasets, strict=True):
        uid = instance.sop_instance_uid
        try:
            if not has_pixels(dataset):
                left_out[uid] = "no-pixel-data"
            elif missing_bytes(dataset) > 0:
                left_out[uid] = "pixel-data-short"
            elif int(dataset.get("SamplesPerPixel") or 1) > 1 and int(dataset.BitsAllocated) > 8:
                left_out[uid] = "color-depth"  # NIfTI's RGB has 8 bits a channel
            else:
                ready.append((instance, dataset))
        except StepError as error:
            left_out[uid] = error.reason
    return ready, left_out


def _most_common(left_out: dict[str, str]) -> str:
    return Counter(left_out.values()).most_common(1)[0][0] if left_out else "no-pixel-data"


def _stage(
    folder: Path,
    ready: list[tuple[InputInstance, Dataset]],
    trusted: Collection[str],
    left_out: dict[str, str],
) -> tuple[list[InputInstance], int]:
    """Fill ``folder`` with links to the instances, or decoded copies of those not in a trusted transfer syntax.

    Returns:
        The instances that it holds now, and how many of them are uncompressed. What cannot be decoded goes to
        ``left_out`` with its reason.
    """
    from hilum.dicom.pixels import transfer_syntax

    folder.mkdir(parents=True)
    staged, uncompressed = [], 0
    for number, (instance, dataset) in enumerate(sorted(ready, key=lambda pair: pair[0].sop_instance_uid)):
        target = folder / f"{number:06}.dcm"
        syntax = transfer_syntax(dataset)
        native = syntax in NEVER_COMPRESSED
        subsampled = native and dataset.get("PhotometricInterpretation") == "YBR_FULL_422"
        if syntax in trusted and not subsampled and getattr(dataset, "preamble", None):
            target.symlink_to(instance.path.absolute())
            uncompressed += native
        else:
            try:
                _write_decoded(instance.path, target)
            except StepError as error:
                left_out[instance.sop_instance_uid] = error.reason
                continue
            uncompressed += 1
        staged.append(instance)
    return staged, uncompressed


def _write_decoded(source: Path, target: Path) -> None:
    """The instance as explicit little endian, uncompressed, RGB where it is in colour."""
    import pydicom
    from pydicom.dataset import FileMetaDataset

    from hilum.dicom.pixels import frames, read_instance

    dataset = read_instance(source)
    values = frames(dataset)
    if "IconImageSequence" in dataset:  # still encapsulated: dcm2niix looks for the pixels in the wrong place
        del dataset.IconImageSequence
    if values.ndim == 4:
        dataset.PhotometricInterpretation = "RGB"
        dataset.PlanarConfiguration = 0
    if dataset.get("BitsAllocated") == 1:
        dataset.BitsStored, dataset.HighBit = 8, 7
    dataset.BitsAllocated = values.dtype.itemsize * 8
    dataset.PixelData = values.tobytes()
    dataset["PixelData"].VR = "OB" if dataset.BitsAllocated == 8 else "OW"
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID")
    meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID")
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.file_meta, dataset.preamble = meta, b"\0" * 128
    pydicom.dcmwrite(target, dataset, implicit_vr=False, little_endian=True, force_encoding=True)


def _options(parameters: NiftiParameters, images: list[Dataset]) -> list[str]:
    """What to tell dcm2niix.

    Philips's private scaling can be switched off only together with slopes that change between slices; where a
    series has such, it stays on.
    """
    from hilum.dicom.pixels import has_private_scaling, scaling_varies

    private = ["-ba", "y", "-c", ""] if parameters.anonymize_sidecar else ["-ba", "n"]
    standard = (
        not parameters.philips_precise and has_private_scaling(images[0]) and not scaling_varies(images)
    )
    # -g i: no defaults from somebody's home. -x i: keep slices as slices. -w 2: never overwrite.
    return [
        *("-g", "i", "-z", "n", "-b", "y", *private, "-x", "i", "-w", "2", "-d", "0", "-f", "volume"),
        *("-p", "n" if standard else "y"),
    ]


def _run_dcm2niix(source: Path, target: Path, options: list[str], timeout: float) -> list[Conversion]:
    """dcm2niix on a folder. Its messages name header values, so they go nowhere.

    Raises:
        StepError: ``conversion-timeout``; ``conversion-failed`` where it crashes.
    """
    import dcm2niix

    target.mkdir(parents=True)
    try:
        done = subprocess.run(
            [dcm2niix.bin, *options, "-o", str(target), str(source)],
            capture_output=True,
            timeout=timeout,
            env={"HOME": str(target.parent)},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise StepError(
            f"dcm2niix did not end within {timeout:g} s",
            reason="conversion-timeout",
            hint="raise the step's timeout parameter if the series is very large",
        ) from None
    if done.returncode < 0:
        raise StepError(f"dcm2niix died of signal {-done.returncode}", reason="conversion-failed")
    return [
        Conversion(
            Path(found[2]).name, int(found[1]), (int(found[3]), int(found[4]), int(found[5]), int(found[6]))
        )
        for found in CONVERTED.finditer(done.stdout.decode("utf-8", "replace"))
    ]


def _compress(source: Path, target: Path, level: int) -> None:
    """gzip in blocks on several threads, as one member, without time or name in the header: same in, same out."""
    from isal import igzip_threaded

    with (
        source.open("rb") as plain,
        mmap.mmap(plain.fileno(), 0, access=mmap.ACCESS_READ) as content,
        igzip_threaded.open(  # type: ignore[no-untyped-call]
            target, "wb", compresslevel=level, threads=COMPRESSION_THREADS
        ) as packed,
    ):
        view = memoryview(content)
        packed.write(view)
        view.release()


def _account(
    ctx: Context, made: list[Conversion], staged: list[InputInstance], left_out: dict[str, str]
) -> None:
    """Measure, and write ``conversion.json``: what is in which file, and what is in none and why.

    ``derived`` are dcm2niix's second versions of a volume: resampled to equal distances (``_Eq``), straightened
    (``_Tilt``), overlays (``_ROI``).
    """
    converted = sum(one.instances for one in made)
    dropped = len(staged) - converted
    volumes = sum(one.shape[3] for one in made)
    slices = sum(one.shape[2] * one.shape[3] for one in made)
    voxels = sum(one.shape[0] * one.shape[1] * one.shape[2] * one.shape[3] for one in made)
    ctx.measure("volumes", volumes)
    ctx.measure("slices", slices)
    ctx.measure("voxels", voxels)
    ctx.measure("instances_converted", converted)
    ctx.measure("instances_unconverted", len(ctx.instances) - converted, instances=sorted(left_out))
    report: dict[str, Any] = {
        "volumes": [
            {"file": f"{one.stem}.nii.gz", "instances": one.instances, "shape": list(one.shape)}
            for one in made
        ],
        "derived": sorted(
            path.name
            for path in ctx.output_folder.glob("*.nii.gz")
            if path.name.removesuffix(".nii.gz") not in {one.stem for one in made}
        ),
        "instances": len(ctx.instances),
        "converted": converted,
        "unconverted": [{"sop_instance_uid": uid, "reason": left_out[uid]} for uid in sorted(left_out)],
        "dropped_by_dcm2niix": dropped,
    }
    ctx.output("conversion").write_text(json.dumps(report, indent=2) + "\n")
