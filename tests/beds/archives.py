"""Archives for tests: a folder in each kind of them, and what nobody should ever have made."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow

Files = Mapping[str, bytes]


def files_below(folder: Path) -> dict[str, bytes]:
    """Names and contents, by name."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def zipped(files: Files, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def streamed_zip(files: Files) -> bytes:
    """A zip archive by a writer that cannot go back: sizes stand behind each member."""

    class OneWay(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: object) -> int:
            raise OSError

        def tell(self) -> int:
            raise OSError

    buffer = OneWay()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(files: Files, form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, content in files.items():
            archive.addfile(tar_header(name, len(content)), io.BytesIO(content))
    return buffer.getvalue()


def tar_header(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    """What tar tells of a member."""
    header = tarfile.TarInfo(name)
    header.size, header.type, header.linkname = size, kind, target
    return header


def zstandard(content: bytes) -> bytes:
    """Compressed by Zstandard."""
    buffer = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(buffer, "zstd") as stream:
        stream.write(content)
    return bytes(buffer.getvalue())


def gzipped_tar(files: Files) -> bytes:
    """A .tar.gz archive."""
    return gzip.compress(tarred(files), mtime=0)


def zstandard_tar(files: Files) -> bytes:
    """A .tar.zst archive."""
    return zstandard(tarred(files))


KINDS: dict[str, Callable[[Files], bytes]] = {
    "deflated.zip": zipped,
    "stored.ZIP": lambda files: zipped(files, zipfile.ZIP_STORED),
    "streamed.zip": streamed_zip,
    "plain.tar": tarred,
    "gnu.tar": lambda files: tarred(files, tarfile.GNU_FORMAT),
    "ustar.tar": lambda files: tarred(files, tarfile.USTAR_FORMAT),
    "gzip.tar.gz": gzipped_tar,
    "gzip.tgz": gzipped_tar,
    "zstandard.tar.zst": zstandard_tar,
}


def encrypted(archive: bytes) -> bytes:
    """A zip archive whose members say that they need a password."""
    changed = bytearray(archive)
    for sign, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = changed.find(sign)
        while at >= 0:
            changed[at + place] |= 1
            at = changed.find(sign, at + 4)
    return bytes(changed)


def overlapping_zip(content: bytes, times: int) -> bytes:
    """A zip archive whose members all are the same bytes."""
    one = zipped({"a": content})
    at = one.index(b"PK\x01\x02")
    end = one.index(b"PK\x05\x06")
    directory = one[at:end] * times
    return (
        one[:at] + directory + struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, times, times, len(directory), at, 0)
    )


def crowded_zip(count: int) -> bytes:
    """A zip archive with a directory of so many members, with the 64-bit extension."""
    one = zipped({"a": b""}, zipfile.ZIP_STORED)
    at = one.index(b"PK\x01\x02")
    entry = one[at : one.index(b"PK\x05\x06")]
    length = len(entry) * count
    ends = at + length
    return b"".join(
        [
            one[:at],
            entry * count,
            struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, length, at),
            struct.pack("<4sIQI", b"PK\6\7", 0, ends, 1),
            struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0),
        ]
    )


def zeros_zip(size: int) -> bytes:
    """A small zip archive of one member with so many zeros. Deflate's blocks repeat, so it is quickly written."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    mebibyte = bytes(1 << 20)
    packer.compress(mebibyte)
    first = packer.flush(zlib.Z_FULL_FLUSH)
    packed = first + _repeated_block(mebibyte) * (size // len(mebibyte) - 1) + b"\x03\x00"
    header = struct.pack("<HHHHHIII", 20, 0, 8, 0, 0, 0, len(packed), min(size, 0xFFFFFFFF))
    wide = struct.pack("<HHQ", 1, 8, size)
    local = b"PK\3\4" + header + struct.pack("<HH", 1, 0) + b"0"
    central = (
        b"PK\1\2" + struct.pack("<H", 20) + header + struct.pack("<HHHHHII", 1, len(wide), 0, 0, 0, 0, 0)
    )
    directory = central + b"0" + wide
    at = len(local) + len(packed)
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 1, 1, len(directory), at, 0)
    return local + packed + directory + end


def _repeated_block(content: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packer.compress(content)
    packer.flush(zlib.Z_FULL_FLUSH)
    packer.compress(content)
    return packer.flush(zlib.Z_FULL_FLUSH)
