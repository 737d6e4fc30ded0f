"""The DICOM JSON model (PS3.18 F), for those who speak DICOMweb."""

from __future__ import annotations

import io
import json
import threading

from hilum.dicom.scan import Scanner, Unsure
from hilum.dicom.scan.feed import whole
from hilum.dicom.scan.json import JsonForm


class _Scanners(threading.local):
    """A scanner for each thread, since it learns as it reads."""

    def __init__(self) -> None:
        self.form = JsonForm()
        self.scanner = Scanner(self.form)


_scanners = _Scanners()


def json_text(data: bytes) -> str:
    """An object's data set up to its pixel data in the DICOM JSON model, binary values inline in base64.

    Raises:
        IgnoredError, UnreadableError: as :func:`hilum.dicom.header.read_header` does.
    """
    try:
        scanned = _scanners.scanner.scan(whole(data))
        return _scanners.form.item(scanned.parts, scanned.others)
    except Unsure:
        return _parsed(data)


def _parsed(data: bytes) -> str:
    from hilum.dicom.quiet import quiet_pydicom
    from hilum.dicom.reader import parse

    with quiet_pydicom():
        dataset = parse(io.BytesIO(data)).dataset
        model = dataset.to_json_dict(suppress_invalid_tags=True)
        kept = {tag: entry for tag, entry in model.items() if not tag.endswith("0000")}
        return json.dumps(kept, ensure_ascii=False)
