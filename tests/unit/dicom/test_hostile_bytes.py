"""No bytes whatsoever give anything but a header or one known reason."""

from __future__ import annotations

import io
import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from beds.headers import CT, PYDICOM
from hilum.dicom.columns import columns_of
from hilum.dicom.header import read_header
from hilum.errors import IgnoredError, UnreadableError
from hilum.kernel.digest import canonical_json

IGNORED = {"not-dicom", "dicomdir"}
UNREADABLE = {"empty", "truncated", "missing-uid", "invalid-uid", "corrupt-header"}
PREFIX = bytes(128) + b"DICM"
NAMES = (
    "CT_small.dcm",
    "MR_small_implicit.dcm",
    "MR_small_bigendian.dcm",
    "image_dfl.dcm",
    "JPEG2000.dcm",
    "rtplan.dcm",
    "reportsi.dcm",
    "ExplVR_LitEndNoMeta.dcm",
    "UN_sequence.dcm",
    "priv_SQ.dcm",
    "examples_overlay.dcm",
)
REAL = [(PYDICOM / "test_files" / name).read_bytes()[:12_000] for name in NAMES]


def look_at(data: bytes) -> None:
    """Read it; a header must be plain JSON that has columns, a refusal one of the known."""
    refused = accepted = None
    try:
        accepted = read_header(Path("unused"), io.BytesIO(data))
    except IgnoredError as error:
        refused = IGNORED, error.reason
    except UnreadableError as error:
        refused = UNREADABLE, error.reason
    if accepted:
        canonical_json(accepted.facts)
        canonical_json(accepted.row)
        assert columns_of([json.loads(accepted.row)])
    else:
        assert refused
        assert refused[1] in refused[0]


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=2000),
    st.sampled_from([b"", PREFIX, PREFIX + REAL[0][132:340], b"\x08\0\x05\0CS\x02\0  "]),
)
def test_random_bytes(data: bytes, before: bytes) -> None:
    look_at(before + data)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(REAL),
    st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=12)),
        min_size=1,
        max_size=6,
    ),
)
def test_real_headers_with_bytes_overwritten(data: bytes, changes: list[tuple[float, bytes]]) -> None:
    changed = bytearray(data)
    for place, new in changes:
        start = int(place * min(len(data), 6000))
        changed[start : start + len(new)] = new
    look_at(bytes(changed))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(REAL), st.floats(0, 1), st.floats(0, 1), st.binary(max_size=9))
def test_real_headers_with_a_piece_cut_out(data: bytes, first: float, second: float, between: bytes) -> None:
    start, end = sorted((int(first * len(data)), int(second * len(data))))
    look_at(data[:start] + between + data[end:])


def test_a_real_header_cut_at_every_byte() -> None:
    data = CT.read_bytes()
    for end in range(0, len(data), 97):
        look_at(data[:end])


def test_sequences_nested_beyond_any_sense() -> None:
    opening = b"\x40\0\x75\x02SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\0\xe0\xff\xff\xff\xff"
    look_at(PREFIX + REAL[0][132:340] + opening * 5000)
    inner = b""
    for _ in range(400):
        item = b"\xfe\xff\0\xe0" + len(inner).to_bytes(4, "little") + inner
        inner = b"\x40\0\x75\x02SQ\0\0" + len(item).to_bytes(4, "little") + item
    look_at(PREFIX + REAL[0][132:340] + inner)
