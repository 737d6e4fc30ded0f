"""Unique identifiers (PS3.5 9.1). They become keys and parts of names, so only well-formed ones come in, with one
leniency: the field sends components with leading zeros, which the standard forbids but which harm nobody.
"""

from __future__ import annotations

import re

_FORM = re.compile(r"[0-9]+(?:\.[0-9]+)*")

MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"
IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
DEFLATED_LITTLE_ENDIAN = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG_ENDIAN = "1.2.840.10008.1.2.2"
GE_PRIVATE_IMPLICIT = "1.2.840.113619.5.2"


def is_valid_uid(text: str) -> bool:
    """Whether it is at most 64 characters of decimal components, parted by dots."""
    return len(text) <= 64 and _FORM.fullmatch(text) is not None
