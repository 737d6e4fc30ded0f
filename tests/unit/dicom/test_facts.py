"""Facts: what selectors ask about."""

from __future__ import annotations

import json
from typing import Any

from pydicom.dataset import Dataset

from beds.headers import instance, read_back
from hilum.dicom.facts import facts_of


def facts(**attributes: Any) -> dict[str, Any]:
    return facts_of(read_back(instance(**attributes)))


def test_numbers_are_numbers_and_dates_and_names_are_text() -> None:
    found = facts(
        SliceThickness="2.50",
        InstanceNumber="7",
        Rows=512,
        PatientName="Doe^Jane",
        StudyDate="20240102",
        PixelSpacing=["0.5", "0.25"],
    )
    assert found["SliceThickness"] == 2.5
    assert (found["InstanceNumber"], found["Rows"]) == (7, 512)
    assert (found["PatientName"], found["StudyDate"]) == ("Doe^Jane", "20240102")
    assert found["PixelSpacing"] == [0.5, 0.25]


def test_an_attribute_that_may_have_several_values_is_always_a_list() -> None:
    assert facts(SoftwareVersions="v1")["SoftwareVersions"] == ["v1"]


def test_what_cannot_be_asked_about_is_no_fact() -> None:
    dataset = instance(
        AccessionNumber="",
        ProcedureCodeSequence=[Dataset()],
        ICCProfile=b"\0\1",
        ExposureTimeInms=float("nan"),
        StudyDescription="d" * 257,
        SeriesDescription="d" * 64,
    )
    dataset.add_new(0x00200013, "LO", "seven")
    dataset.add_new(0x60000010, "US", 5)
    dataset.private_block(0x0011, "Hilum test", create=True).add_new(0x01, "SH", "a")
    found = facts_of(read_back(dataset))
    assert set(found) == {
        "SOPClassUID",
        "SOPInstanceUID",
        "Modality",
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "SeriesDescription",
    }


def test_facts_are_plain_json() -> None:
    found = facts(SliceThickness="2.50", ImageType=["A", "B"], FrameIncrementPointer=0x00181063)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
