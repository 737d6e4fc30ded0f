"""Writes ``src/hilum/dicom/standard/dictionary.tsv`` from the data dictionary (PS3.6) that pydicom carries.

Hilum keeps its own copy for two reasons: the checker of pipeline files needs keywords within milliseconds,
without importing pydicom; and a column of the warehouse must not change its type because a dependency was
updated. Run it by hand after raising pydicom's version and read the diff; a test says when the two differ.

Left out are entries that no stored instance or no keyword holds: commands (group 0000), item delimiters,
nameless retired tags, and the retired repeating tags of other groups than 50xx and 60xx, whose attributes stand
under 5000 and 6000.
"""

from __future__ import annotations

from pathlib import Path

from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary
from pydicom._version import __dicom_version__

TARGET = Path(__file__).parent.parent / "src/hilum/dicom/standard/dictionary.tsv"


def entries() -> dict[int, tuple[str, str, str, str]]:
    """Every entry in tag order: tag -> (VR, VM, keyword, name)."""
    found = {
        tag: (vr, vm, keyword, name)
        for tag, (vr, vm, name, _, keyword) in DicomDictionary.items()
        if keyword and tag >> 16 and vr != "NONE"
    }
    for mask, (vr, vm, name, _, keyword) in RepeatersDictionary.items():
        if mask[:4] in ("50xx", "60xx"):
            found[int(mask.replace("x", "0"), 16)] = (vr, vm, keyword, name)
    return dict(sorted(found.items()))


def text() -> str:
    """The table: a line that names the edition, then tag, VR, VM, keyword and name, parted by tabs."""
    lines = [f"# PS3.6 {__dicom_version__}; written by tools/generate_dictionary.py"]
    lines += ["\t".join((f"{tag:08X}", *entry)) for tag, entry in entries().items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
