"""A small hospital's folder: phantoms and real scans of several modalities, with what always lies between them."""

from __future__ import annotations

import shutil
from pathlib import Path

from beds.real import real_file
from hilum.dicom.phantom import chest_ct, localizer, mr_series, report

REAL = ("CT_small.dcm", "JPEG2000.dcm", "MR_small_RLE.dcm", "rtdose_1frame.dcm")


def write_hospital(folder: Path) -> Path:
    """Write it: eight image series, a report, a duplicate, a conflict, an empty, a cut-off and a foreign file."""
    first = chest_ct(folder / "ward" / "ct-1", slices=6, rows=48, columns=48, seed=1)
    chest_ct(folder / "ward" / "ct-2", slices=5, rows=48, columns=48, seed=2, number=3)
    mr_series(folder / "ward" / "mr", slices=4, rows=32, columns=32, echoes=(30.0, 90.0), seed=3)
    localizer(folder / "ward" / "ct-1", first)
    report(folder / "ward", first)
    real = folder / "real"
    real.mkdir()
    for name in REAL:
        shutil.copy(real_file(name), real)
    slices = sorted((real_file("dicomdirtests") / "77654033" / "CT2").iterdir())
    for path in slices:
        shutil.copy(path, real / f"{path.name}.dcm")
    odd = folder / "odd"
    odd.mkdir()
    content = first.paths[0].read_bytes()
    (odd / "again.dcm").write_bytes(content)
    (odd / "other-pixels.dcm").write_bytes(content[:-2] + b"\1\2")
    (odd / "cut-off.dcm").write_bytes(content[:300])
    (odd / "empty.dcm").write_bytes(b"")
    (odd / "notes.txt").write_text("not an image")
    return folder
