"""Whether bytes are those that a digest names, whichever way it was made: of a file by SHA-256, of an object in a
bucket by what its store attests (:mod:`hilum.model.content`). The bytes themselves decide, so nobody has to remember
which way it was.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from hilum.kernel.digest import CHUNK
from hilum.model.content import attested_digest

if TYPE_CHECKING:
    from hilum.storage.gcs.client import Crc32c


def is_content(stream: BinaryIO, sop_instance_uid: str, digest: str) -> bool:
    """Whether what a stream still holds is what the digest of this instance names."""
    size, sha256, md5 = 0, hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    crc32c = _crc32c()
    while piece := stream.read(CHUNK):
        size += len(piece)
        sha256.update(piece)
        md5.update(piece)
        if crc32c:
            crc32c.update(piece)
    names = [
        sha256.hexdigest(),
        attested_digest(sop_instance_uid, size, md5=b64encode(md5.digest()).decode()),
    ]
    if crc32c:
        names.append(attested_digest(sop_instance_uid, size, crc32c=crc32c.text))
    return digest in names


def is_content_of(path: Path, sop_instance_uid: str, digest: str) -> bool:
    """As :func:`is_content`, of a file."""
    with path.open("rb") as stream:
        return is_content(stream, sop_instance_uid, digest)


def _crc32c() -> Crc32c | None:
    """None where Google's checksum is not installed: then no digest was made of one here."""
    from hilum.storage.gcs.client import Crc32c

    try:
        return Crc32c()
    except ImportError:
        return None
