import subprocess
import sys

import pytest
from pydicom.datadict import private_dictionaries, private_dictionary_VR

from hilum.dicom import private
from hilum.dicom.private import private_vr
from hilum.dicom.values import KNOWN


def test_every_private_element_that_pydicom_knows_is_known_wherever_its_block_lies() -> None:
    compared = 0
    for creator, entries in private_dictionaries.items():
        for digits in entries:
            for block in "1F":
                tag = int(digits.replace("x", block), 16)
                try:
                    vr = private_dictionary_VR(tag, creator)
                except KeyError:  # an entry of a shape that it does not look for
                    vr = "UN"
                assert private_vr(tag, creator) == (vr if vr in KNOWN else "UN"), (creator, digits)
                compared += 1
    assert compared > 20_000


def test_what_nobody_knows_and_what_nobody_reserved_is_un() -> None:
    assert private_vr(0x00091001, "Nobody Inc.") == private_vr(0x00091001, "") == "UN"
    assert private_vr(0x001110FE, "SIEMENS MED") == "UN"


def test_a_release_of_pydicom_without_the_table_is_asked_for_each_element(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(private, "_entries", lambda: None)
    assert private_vr(0x00191002, "GEMS_ACQU_01") == private_dictionary_VR(0x00191002, "GEMS_ACQU_01")
    assert private_vr(0x00091001, "Nobody Inc.") == "UN"


def test_the_table_is_read_without_importing_pydicom() -> None:
    code = "import sys; from hilum.dicom.private import private_vr; print(private_vr(0x00191002, 'GEMS_ACQU_01'))"
    code += "; assert 'pydicom' not in sys.modules"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == private_dictionary_VR(0x00191002, "GEMS_ACQU_01")
