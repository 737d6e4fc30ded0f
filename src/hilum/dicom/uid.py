"""Unique identifiers (PS3.5 9.1). They become file names, keys and paths, so only well-formed ones come in."""

from __future__ import annotations

import re

_FORM = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*")

MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"
IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
DEFLATED_LITTLE_ENDIAN = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG_ENDIAN = "1.2.840.10008.1.2.2"


def is_valid_uid(text: str) -> bool:
    """Whether it is at most 64 characters of decimal components without leading zeros, parted by dots."""
    return len(text) <= 64 and _FORM.fullmatch(text) is not None
