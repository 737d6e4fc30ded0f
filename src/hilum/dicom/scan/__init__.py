"""Our own header scanner: what intake spends its time in.

It walks the bytes of a header up to the pixel data with precompiled rules (:mod:`tables`, :mod:`walk`), reading no
more of the object than that takes (:mod:`feed`), and makes of it what is asked for: elements, a warehouse row, DICOM
JSON. What it does not know for certain is left to pydicom (:class:`Unsure`), with which it agrees on everything else.
"""

from __future__ import annotations

from hilum.dicom.scan.scanner import Scanned, Scanner, scan_elements
from hilum.dicom.scan.tables import Unsure

__all__ = ["Scanned", "Scanner", "Unsure", "scan_elements"]
