"""What vendors' private elements are (PS3.5 7.8): pydicom's dictionary of them, without the rest of pydicom.

To import pydicom is to import all that decodes pixels, 0.2 s and 30 MB for each process. Readers of headers need
nothing of it but this table, so its module is loaded by itself; should a release of pydicom not have it, pydicom is
asked as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

from hilum.dicom.values import KNOWN

TABLE = "_private_dict.py"

Entry = tuple[str, str, str, str]
"""VR, VM, name, and whether it is retired."""


def private_vr(tag: int, creator: str) -> str:
    """The VR that a private element is known to have, or UN.

    Args:
        creator: who reserved the element's block; empty if nobody did.
    """
    entries = _entries()
    vr = _asked(tag, creator) if entries is None else _found(tag, entries.get(creator, {}))
    return vr if vr in KNOWN else "UN"


def _found(tag: int, entries: Mapping[str, Entry]) -> str | None:
    digits = f"{tag:08X}"
    for name in (digits, f"{digits[:4]}xx{digits[6:]}", f"{digits[:2]}xxxx{digits[6:]}"):
        if name in entries:
            return entries[name][0]
    return None


def _asked(tag: int, creator: str) -> str | None:
    from pydicom.datadict import private_dictionary_VR

    try:
        return private_dictionary_VR(tag, creator)
    except KeyError:
        return None


@cache
def _entries() -> Mapping[str, Mapping[str, Entry]] | None:
    """By creator and tag, of which digits that vary are ``x``; None if pydicom has no such module."""
    package = find_spec("pydicom")  # finds it, and does not import it
    for folder in (package and package.submodule_search_locations) or ():
        spec = spec_from_file_location("hilum.dicom.private_table", Path(folder) / TABLE)
        if spec is not None and spec.loader is not None and (Path(folder) / TABLE).is_file():
            table = module_from_spec(spec)
            spec.loader.exec_module(table)
            entries: Mapping[str, Mapping[str, Entry]] = table.private_dictionaries
            return entries
    return None
