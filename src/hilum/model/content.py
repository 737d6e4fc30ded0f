"""What content is called when nobody read it: by what the store attests of its bytes.

An object of a bucket is known by its header, which is its first few KiB, so there is no SHA-256 over all of it. Cloud
Storage keeps an MD5 of each object (none of composed ones) and a CRC32C, and a listing, a notification and an event
say both. This is the one place where they become a digest: whoever learns of an object, and how, calls it the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from hilum.kernel.digest import digest_json


@dataclass(frozen=True, slots=True)
class Attested:
    """Checksums that a store keeps of an object, in base64 as Cloud Storage writes them.

    Attributes:
        crc32c: of all its bytes (RFC 4960, appendix B; big-endian).
        md5: of all its bytes; empty for composed objects, of which Cloud Storage has none.
    """

    crc32c: str
    md5: str = ""

    def __bool__(self) -> bool:
        return bool(self.crc32c or self.md5)


NOTHING = Attested("")


def attested_digest(sop_instance_uid: str, size: int, *, md5: str = "", crc32c: str = "") -> str:
    """The digest of an instance that was not hashed: SHA-256 over canonical JSON of its UID, size and checksum.

    The MD5 counts where there is one, else the CRC32C. The UID is part of it, because 32 bits alone would soon name
    two instances alike.

    Args:
        size: bytes.
        md5, crc32c: in base64, as Cloud Storage writes them.

    Raises:
        ValueError: neither is given.
    """
    if not md5 and not crc32c:
        raise ValueError("content needs a checksum")
    checksum = {"md5": md5} if md5 else {"crc32c": crc32c}
    return digest_json({"SOPInstanceUID": sop_instance_uid, "size": size, **checksum})
