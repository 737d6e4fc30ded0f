import hashlib
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.kernel.digest import (
    CHUNK,
    canonical_json,
    digest_bytes,
    digest_file,
    digest_json,
    digest_set,
    digest_stream,
    short_id,
)

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def reordered(value: object) -> object:
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    return [reordered(item) for item in value] if isinstance(value, list) else value


@given(plain)
def test_the_order_of_keys_does_not_change_a_digest(value):
    assert digest_json(value) == digest_json(reordered(value))


@given(plain)
def test_canonical_json_says_all_of_the_value(value):
    assert json.loads(canonical_json(value)) == value


@given(st.lists(st.integers()), st.lists(st.integers()))
def test_different_values_have_different_digests(one, other):
    assert (digest_json(one) == digest_json(other)) == (one == other)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_json_cannot_say_are_refused(value):
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"value": value})


def test_canonical_json_is_known_byte_for_byte_so_that_task_keys_stay_what_they_were():
    assert (
        canonical_json({"b": [1, 2.5, None, True], "a": "Å\n"})
        == '{"a":"Å\\n","b":[1,2.5,null,true]}'.encode()
    )


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7])
def test_bytes_a_stream_and_a_file_of_the_same_content_have_one_digest(tmp_path, size):
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    path = tmp_path / "content"
    path.write_bytes(data)
    expected = hashlib.sha256(data).hexdigest()
    assert digest_bytes(data) == digest_stream(io.BytesIO(data)) == digest_file(path) == expected


@given(st.lists(st.text("0123456789abcdef", min_size=4, max_size=4), min_size=1), st.randoms())
def test_a_set_of_digests_does_not_know_order_or_repetition(digests, rng):
    arrived = digests * 2
    rng.shuffle(arrived)
    assert digest_set(arrived) == digest_set(digests)


def test_a_set_with_one_more_member_is_another_set():
    assert digest_set(["aa", "bb"]) != digest_set(["aa", "bb", "cc"])


@given(st.text(), st.text())
def test_an_id_is_short_stable_and_hides_what_it_is_made_of(one, other):
    made = short_id("s", one, other)
    assert made == short_id("s", one, other)
    assert made.startswith("s-")
    assert len(made) == 18


def test_parts_of_an_id_do_not_run_into_one_another():
    assert short_id("s", "ab", "c") != short_id("s", "a", "bc")
