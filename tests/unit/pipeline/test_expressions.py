"""Selectors and conditions: checked when loaded, silent when asked."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beds.example_steps import quality
from hilum.pipeline.cel import ExpressionError, names
from hilum.pipeline.expressions import Condition, Selector

CT: dict[str, Any] = {
    "Modality": "CT",
    "BodyPartExamined": "CHEST",
    "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
    "PixelSpacing": [0.7, 0.7],
    "SliceThickness": 5.0,
    "Rows": 512,
    "NumberOfInstances": 60,
}


@pytest.mark.parametrize(
    "text",
    [
        "",
        'Modality == "CT" && BodyPartExamined.contains("CHEST") && NumberOfInstances > 50',
        'Modality in ["CT", "MR"]',
        '"AXIAL" in ImageType',
        '!("LOCALIZER" in ImageType)',
        'ImageType.exists(part, part.startsWith("AX"))',
        'ImageType == ["ORIGINAL", "PRIMARY", "AXIAL"]',
        "PixelSpacing[0] < 1",
        "SliceThickness > 4 && 4 < SliceThickness && SliceThickness == 5 && SliceThickness != 4",
        "SliceThickness <= 5.0 && SliceThickness >= 5",
        "Rows > 511.5 && Rows == 512",
        "Rows > SliceThickness",
        "SliceThickness in [5, 7.5]",
        'BodyPartExamined.matches("^CH")',
        'Modality == "CT" // a comment about MR',
        "has(Rows) && has( Modality ) && !has(Columns) && !has(PatientID)",
        'Modality == "CT" || SliceThickness > "5".size()',
        "size(ImageType) == 3",
        "(Rows > 2) == true",
        "'C' + 'T' == Modality",
    ],
)
def test_a_selector_takes_a_chest_ct(text: str) -> None:
    assert Selector(text).matches(CT)


@pytest.mark.parametrize(
    "text",
    [
        'Modality == "MR"',
        "SliceThickness > 5",
        "ImageOrientationPatient[0] == 1",
        "PixelSpacing[7] < 1",
        "Rows / 0 == 1",
        "EchoTime > 10",
        "!(EchoTime > 10)",
        "EchoTime != 10",
        'EchoTime > 10 && Modality == "CT"',
    ],
)
def test_a_selector_leaves_a_chest_ct(text: str) -> None:
    assert not Selector(text).matches(CT)


def test_absent_text_is_empty_and_an_absent_list_has_nothing() -> None:
    assert Selector('Modality == "" && Modality != "CT" && !Modality.contains("C")').matches({})
    assert Selector('size(ImageType) == 0 && !("X" in ImageType)').matches({})
    assert not Selector("has(Modality) || has(ImageType)").matches({})


def test_an_absent_number_decides_nothing_but_the_other_side_may() -> None:
    assert Selector('EchoTime > 10 || Modality == "CT"').matches(CT)
    assert not Selector('EchoTime > 10 || Modality == "MR"').matches(CT)


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("Rows > 0", {"Rows": "512"}),
        ("Rows > 0", {"Rows": True}),
        ("Rows > 0", {"Rows": [512]}),
        ("Rows > 0", {"Rows": 2**70}),
        ("Rows > 0", {"Rows": 5.5}),
        ("SliceThickness > 0", {"SliceThickness": float("nan")}),
        ("SliceThickness > 0", {"SliceThickness": {"x": 1}}),
        ('Modality != ""', {"Modality": 5}),
        ("has(ImageType)", {"ImageType": [1, None]}),
    ],
)
def test_a_value_that_does_not_fit_its_keyword_counts_as_absent(text: str, facts: dict[str, Any]) -> None:
    assert not Selector(text).matches(facts)


def test_whole_numbers_may_come_as_decimals_and_lists_of_one_as_scalars() -> None:
    assert Selector("Rows == 512").matches({"Rows": 512.0})
    assert Selector("SliceThickness == 5").matches({"SliceThickness": 5})
    assert Selector('"AXIAL" in ImageType').matches({"ImageType": "AXIAL"})


@given(
    st.dictionaries(
        st.sampled_from(sorted(CT)), st.none() | st.integers() | st.floats() | st.text() | st.lists(st.text())
    )
)
def test_no_facts_whatever_make_a_selector_raise(facts: dict[str, Any]) -> None:
    selector = Selector(
        'Modality == "CT" && Rows > 3 && SliceThickness < 5 || PixelSpacing[0] > 1 || "A" in ImageType'
    )
    assert selector.matches(facts) in (True, False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('Modalty == "CT"', "'Modalty' is no DICOM keyword (did you mean 'Modality'?)"),
        ("Modality == CT", "write"),
        ('Modality = "CT"', "'=' compares nothing (write ==)"),
        ('Modality == "CT" and Rows > 1', "'and' is not CEL (write &&)"),
        ('Modality == "CT', "a quote is not closed"),
        ("Rows >", "ends too early"),
        ("Rows > 1)", "cannot be read from ')' on"),
        ('ImageType.contains("LOCALIZER")', 'ImageType is a list: write "LOCALIZER" in ImageType'),
        ('ImageType == "AXIAL"', 'ImageType is a list: write "AXIAL" in ImageType'),
        ("PixelSpacing < 1", "PixelSpacing is a list: write PixelSpacing[0] < 1"),
        ('SliceThickness > "5"', "a number cannot be compared with text"),
        ('Modality in "CT"', 'write Modality == "CT"'),
        ("SliceThickness + 1 > 3", "write 1.0 for 1"),
        ("Rows", "gives an integer, not true or false"),
        ("!Rows", "&&, || and ! take comparisons"),
        ("foo(Rows)", "there is no 'foo'"),
        ('Modality.startswith("C")', "did you mean 'startsWith'?"),
        ("has(Rows, 1)", "write has(Modality)"),
        ("PixelData == 1", "binary data"),
        ("ReferencedImageSequence == 1", "is a sequence"),
        ("Modality.Rows == 1", "has no parts"),
        ('Modality.matches("[")', "invalid regular expression"),
    ],
)
def test_a_mistake_in_a_selector_is_told_with_what_to_write(text: str, said: str) -> None:
    if said == "write":
        said = 'text is written in quotes: "CT"'
    with pytest.raises(ExpressionError) as caught:
        Selector(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.reason == "bad-expression"


def test_names_are_found_outside_of_quotes_comments_and_macros() -> None:
    text = """a.b == "c.d" && e[0] > 1.5e3 && f.exists(g, g == h) && size(i) > 2 // j
        && has(k.l) && !m.contains('\\'n') && r"o\\" != 'p'"""
    found = [(name.path, name.asked) for name in names(text)]
    plain = ["a.b", "e", "f", "h", "i"]
    assert found == [*((path, False) for path in plain), ("k.l", True), ("m", False)]


def test_a_condition_asks_for_the_measurements_of_other_steps() -> None:
    condition = Condition(
        'qc.slices_missing == 0 && qc.noise < 5 && qc.regular && qc.verdict != "fail"', {"qc": quality}
    )
    assert condition.names == ("qc",)
    good = {"slices_missing": 0, "noise": 4, "regular": True, "verdict": "pass"}
    assert condition.holds({"qc": good})
    for change in ({"slices_missing": 1}, {"noise": 5}, {"regular": False}, {"verdict": "fail"}):
        assert not condition.holds({"qc": {**good, **change}})


def test_a_condition_on_what_was_not_measured_does_not_hold_either_way() -> None:
    for text in ("qc.noise < 5", "!(qc.noise < 5)", 'qc.verdict != "fail"', "qc.regular"):
        assert not Condition(text, {"qc": quality}).holds({"qc": {}})
        assert not Condition(text, {"qc": quality}).holds({})
    assert Condition("!has(qc.noise) || qc.noise < 5", {"qc": quality}).holds({"qc": {}})


def test_a_condition_that_was_checked_before_is_asked_without_declarations() -> None:
    for text in (
        "qc.slices_missing == 0 && qc.noise < 5",
        "qc.regular && has(qc.noise)",
        'qc.verdict == "pass"',
    ):
        for measured in ({"slices_missing": 0, "noise": 4.5, "regular": True, "verdict": "pass"}, {}):
            trusted, checked = Condition(text), Condition(text, {"qc": quality})
            assert trusted.holds({"qc": measured}) is checked.holds({"qc": measured}) is bool(measured)


def test_an_empty_condition_always_holds() -> None:
    assert Condition(" ").holds({})
    assert Condition("").names == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cq.slices_missing == 0", "no other step is named 'cq' (known: qc)"),
        ("qc.slices_mising == 0", "declares no measurement 'slices_mising' (did you mean 'slices_missing'?)"),
        ("qc == 0", "must be followed by a measurement's name"),
        ("qc.noise", "gives a number, not true or false"),
        ("qc.verdict > 3", "text cannot be compared with an integer"),
        ("Modality == 'CT'", "no other step is named 'Modality'"),
    ],
)
def test_a_mistake_in_a_condition_is_told(text: str, said: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        Condition(text, {"qc": quality})
    assert said in str(caught.value)
