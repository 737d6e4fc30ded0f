"""A 150-slice 512x512 CT to .nii.gz: the step beside dcm2niix on its own, in one run on the same files.

    python -m benchmarks nifti [--quick]

The CT is the chest phantom with 12 HU of noise, since noise decides how long compression takes and what it gains.
The step's time is everything: headers, dcm2niix's process, compression, the account of instances.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import dcm2niix
import structlog

from hilum.dicom.phantom import chest_ct
from hilum.dicom.series import ImageSeries
from hilum.model.subject import Scope
from hilum.steps.builtin.intensity import intensity
from hilum.steps.builtin.nifti import NiftiParameters, nifti
from hilum.steps.context import Context, InputInstance

ROUNDS = 5


def context(step: object, paths: list[Path], folder: Path) -> Context:
    (folder / "output").mkdir()
    (folder / "scratch").mkdir()
    return Context(
        step=step,  # type: ignore[arg-type]
        scope=Scope.SERIES,
        instances=[InputInstance(path.name, path) for path in paths],
        needs={},
        output_folder=folder / "output",
        scratch=folder / "scratch",
        log=structlog.get_logger(),
    )


def best_of(rounds: int, work: Callable[[Path], object]) -> tuple[float, int]:
    """Seconds of the quickest round, and the bytes of the last one's biggest file."""
    seconds, size = float("inf"), 0
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            work(Path(folder))
            seconds = min(seconds, time.perf_counter() - start)
            files = [path for path in Path(folder).rglob("*.nii*") if "scratch" not in path.parts]
            size = max((path.stat().st_size for path in files), default=0)
    return seconds, size


def alone(paths: list[Path], compression: str) -> Callable[[Path], None]:
    command = [dcm2niix.bin, "-g", "i", "-z", compression, "-f", "volume", "-o"]
    return lambda folder: _run([*command, str(folder), str(paths[0].parent)])


def _run(command: list[str]) -> None:
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


def step_at(paths: list[Path], level: int) -> Callable[[Path], None]:
    return lambda folder: nifti(context(nifti, paths, folder), NiftiParameters(level=level))


def show(name: str, seconds: float, size: int, reference: float) -> None:
    weight = f"{size / 1e6:6.1f} MB" if size else " " * 9
    print(f"  {name:<44} {seconds:7.3f} s  {weight}   x{reference / seconds:.1f}")


def main() -> None:
    quick = "--quick" in sys.argv
    slices, side, rounds = (20, 128, 1) if quick else (150, 512, ROUNDS)
    with tempfile.TemporaryDirectory() as work:
        paths = list(chest_ct(Path(work, "ct"), slices=slices, rows=side, columns=side).paths)
        print(f"  {slices} slices of {side}x{side}, best of {rounds} (what compresses itself: of 1)")
        pigz = shutil.which("pigz") is not None
        reference, size = best_of(1, alone(paths, "y" if pigz else "i"))
        show(f"dcm2niix -z y ({'pigz' if pigz else 'its own zlib'})", reference, size, reference)
        if pigz:
            show("dcm2niix -z i (its own zlib)", *best_of(1, alone(paths, "i")), reference)
        show("dcm2niix -z n", *best_of(rounds, alone(paths, "n")), reference)
        for level in range(4):
            mark = ", the default" if level == NiftiParameters().level else ""
            show(f"hilum nifti, level {level}{mark}", *best_of(rounds, step_at(paths, level)), reference)
        headers, _ = best_of(rounds, lambda folder: ImageSeries(paths).datasets)
        show("of that, headers", headers, 0, reference)
        volume, _ = best_of(rounds, lambda folder: ImageSeries(paths).volume())
        show("ctx.volume(), headers included", volume, 0, reference)
        measured, _ = best_of(rounds, lambda folder: intensity(context(intensity, paths, folder)))
        show("hilum intensity, headers included", measured, 0, reference)
        plain = Path(work, "plain")
        plain.mkdir()
        alone(paths, "n")(plain)
        print(
            f"  gzip -6 would make {len(zlib.compress((plain / 'volume.nii').read_bytes(), 6)) / 1e6:.1f} MB"
        )


if __name__ == "__main__":
    main()
