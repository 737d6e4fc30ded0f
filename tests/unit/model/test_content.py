"""What content is called that nobody hashed."""

import pytest

from hilum.kernel.digest import digest_json
from hilum.model.content import NOTHING, Attested, attested_digest

UID, MD5, CRC = "1.2.3", "XUFAKrxLKna5cZ2REBfFkg==", "yZRlqg=="


def test_the_md5_counts_where_there_is_one() -> None:
    assert attested_digest(UID, 5, md5=MD5, crc32c=CRC) == attested_digest(UID, 5, md5=MD5)
    assert attested_digest(UID, 5, md5=MD5) == digest_json({"SOPInstanceUID": UID, "size": 5, "md5": MD5})


def test_a_composed_object_is_called_by_its_crc32c() -> None:
    assert attested_digest(UID, 5, crc32c=CRC) == digest_json(
        {"SOPInstanceUID": UID, "size": 5, "crc32c": CRC}
    )


def test_uid_size_and_checksum_each_tell_content_apart() -> None:
    named = attested_digest(UID, 5, crc32c=CRC)
    assert attested_digest("1.2.4", 5, crc32c=CRC) != named
    assert attested_digest(UID, 6, crc32c=CRC) != named
    assert attested_digest(UID, 5, crc32c=MD5) != named


def test_without_a_checksum_there_is_no_digest() -> None:
    with pytest.raises(ValueError, match="checksum"):
        attested_digest(UID, 5)
    assert not NOTHING
    assert Attested("", MD5)
