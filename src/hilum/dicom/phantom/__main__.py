"""``python -m hilum.dicom.phantom FOLDER [NAME ...]``: scans of nobody to try things on, the same bytes everywhere.

Three patients: ``chest``, a CT with known volumes; ``gaps``, another in which slices are missing; ``head``, an MR.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from hilum.dicom.phantom.series import Phantom, chest_ct, mr_series

SCANS: dict[str, Callable[[Path], Phantom]] = {
    "chest": lambda folder: chest_ct(folder, slices=64, seed=1),
    "gaps": lambda folder: chest_ct(folder, slices=40, rows=128, columns=128, seed=2, drop=(12, 25, 26)),
    "head": lambda folder: mr_series(folder, seed=3),
}


def main(arguments: list[str]) -> int:
    """Write the scans that are named, or all, below the folder that is named first."""
    wanted = arguments[1:] or list(SCANS)
    if not arguments or arguments[0].startswith("-") or not SCANS.keys() >= set(wanted):
        sys.stderr.write(f"usage: python -m hilum.dicom.phantom FOLDER [{' | '.join(SCANS)}] ...\n")
        return 2
    for name in wanted:
        folder = Path(arguments[0]) / name
        phantom = SCANS[name](folder)
        known = ", ".join(f"{part} {ml:.0f} mL" for part, ml in phantom.volumes_ml.items() if ml >= 100)
        sys.stdout.write(f"{folder}: {len(phantom.paths)} files; {known}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
