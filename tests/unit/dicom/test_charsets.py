"""Text in every character set, as declared and otherwise."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beds.texts import REPERTOIRES, Repertoire
from hilum.dicom.charsets import Charset, DoubtfulText, codec

ESCAPES = re.compile(rb"\x1b(\([BJ]|\)I|\$[@B]|\$\(D|\$\)[AC]|-[ABCDFGHLMTb])")


def doubtful(charset: Charset, raw: bytes, vr: str = "PN") -> str:
    with pytest.raises(DoubtfulText) as caught:
        charset.decode(raw, vr)
    return caught.value.text


@pytest.mark.parametrize("repertoire", REPERTOIRES, ids=lambda each: each.terms)
@settings(max_examples=15)
@given(data=st.data())
def test_text_of_every_repertoire_is_read_as_it_was_written(
    repertoire: Repertoire, data: st.DataObject
) -> None:
    between = st.sampled_from(["^", "=", "\\", " ", "\r\n", "\t", "\f", "a b", ""])
    words = st.lists(st.tuples(st.sampled_from(repertoire.words), between), max_size=8)
    text = "".join(word + after for word, after in data.draw(words))
    charset = codec(repertoire.terms.encode())
    for vr in ("PN", "LO", "LT"):
        assert charset.decode(repertoire.encode(text, vr), vr) == text


def test_the_set_of_value_1_is_active_again_after_each_delimiter() -> None:
    charset = codec(b"ISO 2022 IR 100\\ISO 2022 IR 144")
    for delimiter, vr in (
        ("^", "PN"),
        ("=", "PN"),
        *(("\\", vr) for vr in ("PN", "LO", "SH", "UC")),
        *((control, vr) for control in "\r\n\f\t" for vr in ("LT", "ST", "UT", "LO", "PN")),
    ):
        raw = b"\x1b-L\xb8\xd2" + delimiter.encode() + b"\xc9"
        assert charset.decode(raw, vr) == f"Ив{delimiter}É"


def test_a_backslash_in_text_of_one_value_is_no_delimiter() -> None:
    charset = codec(b"ISO 2022 IR 100\\ISO 2022 IR 144")
    assert charset.decode(b"\x1b-L\xb8\\\xd2", "LT") == "И\\в"
    assert charset.decode(b"\x1b-L\xb8^\xd2", "LO") == "И^в"


def test_a_kanji_whose_second_byte_is_a_backslash_is_one_character() -> None:
    assert codec(b"\\ISO 2022 IR 87").decode(b"\x1b$B%\\\x1b(B\\x", "LO") == "ボ\\x"
    assert codec(b"GBK").decode("誠".encode("gbk"), "LO") == "誠"
    assert "誠".encode("gbk")[1] == ord("\\")


def test_katakana_and_kanji_are_active_at_once() -> None:
    charset = codec(b"ISO 2022 IR 13\\ISO 2022 IR 87")
    assert charset.decode(b"\x1b$B;3\xd4ED\x1b(J\xcf", "LO") == "山ﾔ田ﾏ"


def test_spaces_between_kanji_are_spaces() -> None:
    assert codec(b"\\ISO 2022 IR 87").decode(b"\x1b$B;3  ED\x1b(B", "LO") == "山  田"


@pytest.mark.parametrize(
    "term",
    [
        "ISO_IR 144",
        "ISO-IR 144",
        "ISO IR 144",
        "ISO_IR_144",
        "iso_ir 144",
        "ISO2022 IR 144",
        " ISO_IR  144 \0",
    ],
)
def test_a_misspelt_term_is_understood(term: str) -> None:
    assert codec(term.encode()).decode(b"\xb8\xd2", "PN") == "Ив"


def test_terms_are_taken_as_bytes_or_as_text() -> None:
    assert codec(("", "ISO 2022 IR 149")).decode(b"\x1b$)C\xb1\xe8", "PN") == "김"
    assert codec(b"ISO_IR 100") is codec(b"ISO_IR 100")


def test_a_set_without_extensions_makes_further_values_void() -> None:
    assert codec(b"ISO_IR 192\\ISO 2022 IR 87").decode("é".encode(), "PN") == "é"


def test_multi_byte_sets_as_value_1_need_no_escape_above_ascii() -> None:
    assert codec(b"ISO 2022 IR 149").decode(b"\xb1\xe8", "PN") == "김"
    assert codec(b"ISO 2022 IR 87").decode(b"a\x1b$B;3\x1b(Bb", "PN") == "a山b"


class TestWrongDeclarations:
    """The likeliest text, and never without saying so."""

    def test_utf_8_where_nothing_was_declared(self) -> None:
        assert doubtful(codec(b""), "Müller".encode()) == "Müller"

    def test_latin_1_where_nothing_was_declared(self) -> None:
        assert doubtful(codec(b""), b"M\xfcller") == "Müller"

    def test_utf_8_declared_as_latin_1(self) -> None:
        assert doubtful(codec(b"ISO_IR 100"), "Müller".encode()) == "Müller"

    def test_latin_1_declared_as_utf_8(self) -> None:
        assert doubtful(codec(b"ISO_IR 192"), b"M\xfcller") == "Müller"

    def test_windows_quotes_declared_as_latin_1(self) -> None:
        assert doubtful(codec(b"ISO_IR 100"), b"\x93M\xfcller\x94") == "“Müller”"

    def test_windows_letters_declared_as_latin_2(self) -> None:
        assert doubtful(codec(b"ISO_IR 101"), b"\x8carka") == "Śarka"

    def test_shift_jis_declared_as_jis_x_0201(self) -> None:
        assert doubtful(codec(b"ISO_IR 13"), "山田^ソ".encode("shift_jis")) == "山田^ソ"

    def test_shift_jis_and_euc_without_escapes(self) -> None:
        assert doubtful(codec(b"\\ISO 2022 IR 87"), "山田".encode("shift_jis")) == "山田"

    def test_korean_without_escapes(self) -> None:
        assert doubtful(codec(b"\\ISO 2022 IR 149"), "김^민수".encode("euc_kr")) == "김^민수"

    def test_korean_of_windows(self) -> None:
        assert doubtful(codec(b"ISO 2022 IR 149"), "펲".encode("cp949")) == "펲"

    def test_gb18030_declared_as_gbk(self) -> None:
        assert doubtful(codec(b"GBK"), "𠀀".encode("gb18030")) == "𠀀"

    def test_escapes_to_a_set_that_was_not_declared(self) -> None:
        assert doubtful(codec(b"ISO_IR 100"), b"\x1b-L\xb8\xd2") == "Ив"
        assert doubtful(codec(b""), b"\x1b$B;3\x1b(B") == "山"
        assert doubtful(codec(b"ISO_IR 192"), b"\x1b$B;3\x1b(B") == "山"

    def test_a_set_that_is_not_invoked_again_after_a_delimiter(self) -> None:
        assert doubtful(codec(b"\\ISO 2022 IR 149"), b"\x1b$)C\xb1\xe8^\xb9\xce") == "김^민"

    def test_an_unknown_escape_stays_in_the_text(self) -> None:
        assert doubtful(codec(b"ISO 2022 IR 6\\ISO 2022 IR 87"), b"a\x1b(Zb") == "a\x1b(Zb"

    def test_an_unknown_term_leaves_ascii_alone(self) -> None:
        assert codec(b"ISO_IR 999").decode(b"Doe", "PN") == "Doe"
        assert doubtful(codec(b"ISO_IR 999"), "é".encode()) == "é"

    def test_local_text_in_a_vr_of_the_default_repertoire(self) -> None:
        with pytest.raises(DoubtfulText) as caught:
            codec(b"ISO_IR 144").decode_default(b"\xb8\xd2", "CS")
        assert caught.value.text == "Ив"

    def test_capitals_that_happen_to_be_utf_8_stay_cyrillic(self) -> None:
        assert codec(b"ISO_IR 144").decode(b"\xce\xbd", "PN") == "ЮН"


@given(
    st.lists(
        st.binary(max_size=3)
        | st.sampled_from(
            [b"\x1b$B", b"\x1b(J", b"\x1b$)C", b"\x1b-L", b"\x1b(Z", b"\x1b", b"\xb1\xe8", b"^"]
        )
    ),
    st.sampled_from([each.terms for each in REPERTOIRES] + ["ISO_IR 999", "\\\\", "GBK\\GBK"]),
    st.sampled_from(["PN", "LO", "LT", "CS"]),
)
def test_any_bytes_give_text(pieces: list[bytes], terms: str, vr: str) -> None:
    raw, charset = b"".join(pieces), codec(terms.encode())
    decode = charset.decode_default if vr == "CS" else charset.decode
    try:
        text = decode(raw, vr)
    except DoubtfulText as doubt:
        text = doubt.text
    assert text or not ESCAPES.sub(b"", raw)
