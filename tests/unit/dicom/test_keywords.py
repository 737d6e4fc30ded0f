"""The data dictionary by keyword and by tag."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hilum.dicom.standard import keywords


def test_a_keyword_finds_its_entry() -> None:
    found = keywords.lookup("ImagePositionPatient")
    assert found == (0x00200032, "DS", "3", "ImagePositionPatient", "Image Position (Patient)")
    assert keywords.by_tag(0x00200032) == found


@pytest.mark.parametrize("word", ["imagepositionpatient", "Bodypart", "", "Retired-blank", "Item"])
def test_what_is_no_keyword_finds_nothing(word: str) -> None:
    assert keywords.lookup(word) is None


def test_only_a_multiplicity_of_one_is_a_single_value_and_a_sequence_never_is() -> None:
    single = {
        word: keywords.lookup(word)
        for word in ("Modality", "ImageType", "PixelSpacing", "RequestAttributesSequence")
    }
    assert {word: found and found.single for word, found in single.items()} == {
        "Modality": True,
        "ImageType": False,
        "PixelSpacing": False,
        "RequestAttributesSequence": False,
    }


def test_every_group_of_a_repeating_attribute_finds_it() -> None:
    rows = keywords.lookup("OverlayRows")
    assert rows is not None
    assert rows.repeating
    assert keywords.by_tag(0x60000010) == keywords.by_tag(0x601E0010) == rows


def test_private_groups_between_repeating_ones_find_nothing() -> None:
    assert keywords.by_tag(0x60010010) is None


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("modality", "Modality"),
        ("SliceThicknes", "SliceThickness"),
        ("BodyPart", "BodyPartThickness"),
        ("PatientId", "PatientID"),
    ],
)
def test_a_misspelt_keyword_names_the_right_one(wrong: str, meant: str) -> None:
    assert meant in keywords.nearest(wrong)


def test_a_word_like_no_keyword_names_none() -> None:
    assert keywords.nearest("xqzw") == []


def test_keywords_come_in_tag_order_each_once() -> None:
    found = list(keywords.keywords())
    tags = [entry.tag for word in found if (entry := keywords.lookup(word))]
    assert tags == sorted(set(tags))
    assert len(tags) == len(found) > 5000


def test_the_dictionary_is_there_without_pydicom() -> None:
    code = """
import sys
from hilum.dicom.standard.keywords import lookup
lookup("Modality")
print("pydicom" in sys.modules)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"
