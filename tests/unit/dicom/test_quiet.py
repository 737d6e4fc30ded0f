"""pydicom's warnings quote header values; Hilum's use of it is silent and nobody else's is."""

from __future__ import annotations

import io
import logging
import warnings
from pathlib import Path

import pytest
from pydicom.charset import convert_encodings

from beds.headers import instance, written
from hilum.dicom.header import read_header
from hilum.dicom.json_model import json_text


def marked() -> bytes:
    """An object that pydicom warns about, quoting the marker."""
    dataset = instance(PatientName="x", SpecificCharacterSet="ISO_IR 100")
    data = written(dataset)
    return data.replace(b"ISO_IR 100", b"MARKER2718").replace(b"PN\x02\x00x ", b"PN\x02\x00\xe9\xe9")


def test_reading_says_nothing_of_what_pydicom_finds_wrong(
    caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    read_header(Path("unused"), io.BytesIO(marked()))
    json_text(marked())
    assert not caplog.records
    assert not recwarn.list


def test_the_same_object_makes_pydicom_itself_warn_as_ever(caplog: pytest.LogCaptureFixture) -> None:
    read_header(Path("unused"), io.BytesIO(marked()))
    with pytest.warns(UserWarning, match="MARKER2718"), caplog.at_level(logging.WARNING, "pydicom"):
        convert_encodings("MARKER2718")
    assert "MARKER2718" in caplog.text


def test_warning_filters_are_as_they_were() -> None:
    before = list(warnings.filters)
    read_header(Path("unused"), io.BytesIO(marked()))
    assert warnings.filters == before
