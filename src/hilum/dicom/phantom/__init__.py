"""Phantoms: fictional patients of known anatomy, written as DICOM from a seed."""

from hilum.dicom.phantom.companions import enhanced_ct, localizer, report, secondary_capture
from hilum.dicom.phantom.faults import Faults
from hilum.dicom.phantom.grid import Orientation
from hilum.dicom.phantom.many import many_instances
from hilum.dicom.phantom.series import Phantom, chest_ct, mr_series

__all__ = [
    "Faults",
    "Orientation",
    "Phantom",
    "chest_ct",
    "enhanced_ct",
    "localizer",
    "many_instances",
    "mr_series",
    "report",
    "secondary_capture",
]
