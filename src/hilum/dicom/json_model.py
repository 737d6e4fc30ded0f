"""The DICOM JSON model (PS3.18 F), for those who speak DICOMweb."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hilum.dicom.quiet import quiet_pydicom

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def json_model(dataset: Dataset) -> dict[str, Any]:
    """A data set in the DICOM JSON model, binary values inline in base64; what cannot be said in it is left out."""
    with quiet_pydicom():
        return dataset.to_json_dict(suppress_invalid_tags=True)
