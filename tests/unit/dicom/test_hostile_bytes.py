"""No bytes whatsoever give anything but a header or one known reason, and pydicom and a new scanner say the same."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from beds.fuzzing import REASONS, check, outcome
from beds.headers import CT, PYDICOM
from beds.seeds import without_pixels
from hilum.dicom.header import Header

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
REAL = [without_pixels((PYDICOM / "test_files" / name).read_bytes()) for name in NAMES]


@settings(max_examples=50, deadline=None)
@given(
    st.binary(max_size=2000),
    st.sampled_from([b"", PREFIX, PREFIX + REAL[0][132:340], b"\x08\0\x05\0CS\x02\0  "]),
)
def test_random_bytes(data: bytes, before: bytes) -> None:
    check(before + data)


@settings(max_examples=50, deadline=None)
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
    check(bytes(changed))


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(REAL), st.floats(0, 1), st.floats(0, 1), st.binary(max_size=9))
def test_real_headers_with_a_piece_cut_out(data: bytes, first: float, second: float, between: bytes) -> None:
    start, end = sorted((int(first * len(data)), int(second * len(data))))
    check(data[:start] + between + data[end:])


def test_a_real_header_cut_at_every_byte() -> None:
    data = CT.read_bytes()
    for end in range(0, len(data), 97):
        found = outcome(data[:end])
        assert isinstance(found, Header) or found in REASONS
