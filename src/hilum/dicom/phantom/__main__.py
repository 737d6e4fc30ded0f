"""``python -m hilum.dicom.phantom FOLDER``: scans of nobody to try things on, the same bytes on every machine.

Three patients: a chest CT with known volumes, one in which slices are missing, and a head MR.
"""

from __future__ import annotations

import sys
from pathlib import Path

from hilum.dicom.phantom.series import chest_ct, mr_series


def main(arguments: list[str]) -> int:
    """Write the scans below the folder that is named."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        sys.stderr.write("usage: python -m hilum.dicom.phantom FOLDER\n")
        return 2
    folder = Path(arguments[0])
    written = {
        "chest": chest_ct(folder / "chest", slices=64, seed=1),
        "gaps": chest_ct(folder / "gaps", slices=40, rows=128, columns=128, seed=2, drop=(12, 25, 26)),
        "head": mr_series(folder / "head", seed=3),
    }
    for name, phantom in written.items():
        known = ", ".join(f"{part} {ml:.0f} mL" for part, ml in phantom.volumes_ml.items() if ml >= 100)
        sys.stdout.write(f"{folder / name}: {len(phantom.paths)} files; {known}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
