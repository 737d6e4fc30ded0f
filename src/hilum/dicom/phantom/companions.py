"""What real series and studies carry beside their slices: a localizer, a secondary capture, a report; and the
same chest as one enhanced multi-frame object.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hilum.dicom.phantom import headers
from hilum.dicom.phantom.faults import Slice
from hilum.dicom.phantom.series import Phantom

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def localizer(folder: Path, phantom: Phantom, *, seed: int = 1, name: str = "LOCALIZER.dcm") -> Path:
    """Write a coronal localizer of an axial CT phantom into the phantom's own series."""
    values = np.clip(phantom.values, -1000, 1000)
    view = values.mean(axis=1)
    if phantom.grid.step[2] > 0:
        view = view[::-1]  # rows run from head to feet
    header = headers.common("CT", headers.CT_IMAGE, seed, "Localizer", 1)
    header.SeriesInstanceUID = phantom.series_uid
    header.StudyInstanceUID = phantom.study_uid
    header.SOPInstanceUID = headers.uid("localizer", phantom.series_uid)
    header.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    header.InstanceNumber, header.KVP, header.AcquisitionNumber = "0", "120", "1"
    headers.describe_pixels(header, bits=12, signed=False)
    header.RescaleIntercept, header.RescaleSlope = "-1024", "1"
    header.FrameOfReferenceUID = headers.uid("frame", phantom.study_uid)
    header.PositionReferenceIndicator = ""
    grid = phantom.grid
    corner = [-(grid.columns - 1) / 2 * grid.pixel_spacing[1], 0, (grid.slices - 1) / 2 * grid.slice_spacing]
    header.ImagePositionPatient = headers.decimals(corner)
    header.ImageOrientationPatient = ["1", "0", "0", "0", "0", "-1"]
    header.PixelSpacing = headers.decimals([grid.slice_spacing, grid.pixel_spacing[1]])
    header.SliceThickness = "1"
    path = folder / name
    headers.write(path, Slice(header, (view + 1024).astype(np.uint16)), headers.EXPLICIT_LITTLE_ENDIAN)
    return path


def secondary_capture(folder: Path, phantom: Phantom, *, seed: int = 1, name: str = "CAPTURE.dcm") -> Path:
    """Write an RGB screen of colour bars, as a dose sheet would be, into the phantom's own series."""
    header = headers.common("CT", headers.SECONDARY_CAPTURE, seed, "Dose", 1)
    header.SeriesInstanceUID = phantom.series_uid
    header.StudyInstanceUID = phantom.study_uid
    header.SOPInstanceUID = headers.uid("capture", phantom.series_uid)
    header.ImageType = ["DERIVED", "SECONDARY", "SCREEN SAVE"]
    header.ConversionType = "WSD"
    header.InstanceNumber = "9999"
    header.SamplesPerPixel, header.PhotometricInterpretation, header.PlanarConfiguration = 3, "RGB", 0
    header.BitsAllocated = header.BitsStored = 8
    header.HighBit, header.PixelRepresentation = 7, 0
    bars = np.array([[bar & 4, bar & 2, bar & 1] for bar in range(8)], dtype=bool)
    pixels = np.repeat(np.repeat(bars[None], 96, axis=0), 16, axis=1).astype(np.uint8) * 255
    path = folder / name
    headers.write(path, Slice(header, pixels), headers.EXPLICIT_LITTLE_ENDIAN)
    return path


def report(folder: Path, phantom: Phantom, *, seed: int = 1, name: str = "REPORT.dcm") -> Path:
    """Write a one-sentence Basic Text SR, in a series of its own, into the phantom's study."""
    from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
    from pydicom.uid import UID

    header = headers.common("SR", "1.2.840.10008.5.1.4.1.1.88.11", seed, "Report", 99)
    header.StudyInstanceUID = phantom.study_uid
    header.SOPInstanceUID = headers.uid("report", phantom.series_uid)
    header.InstanceNumber = "1"
    header.CompletionFlag, header.VerificationFlag = "COMPLETE", "UNVERIFIED"
    header.ReferencedPerformedProcedureStepSequence = []
    header.PerformedProcedureCodeSequence = []
    header.ValueType, header.ContinuityOfContent = "CONTAINER", "SEPARATE"
    header.ConceptNameCodeSequence = [_code("18748-4", "LN", "Diagnostic imaging report")]
    finding = Dataset()
    finding.RelationshipType, finding.ValueType = "CONTAINS", "TEXT"
    finding.ConceptNameCodeSequence = [_code("121071", "DCM", "Finding")]
    finding.TextValue = "A phantom."
    header.ContentSequence = [finding]
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = UID(headers.EXPLICIT_LITTLE_ENDIAN)
    meta.ImplementationClassUID = UID(headers.IMPLEMENTATION_UID)
    path = folder / name
    FileDataset(str(path), header, file_meta=meta, preamble=b"\0" * 128).save_as(
        path, enforce_file_format=True
    )
    return path


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    from pydicom.dataset import Dataset

    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def enhanced_ct(path: Path, phantom: Phantom, *, seed: int = 1) -> Path:
    """Write an axial CT phantom's slices again as one Enhanced CT image (PS3.3 A.38), in its own series."""
    from pydicom.dataset import Dataset

    header = headers.common("CT", headers.ENHANCED_CT_IMAGE, seed, "Chest enhanced", 20)
    header.StudyInstanceUID = phantom.study_uid
    header.SOPInstanceUID = headers.uid("enhanced", phantom.series_uid)
    header.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    header.InstanceNumber, header.AcquisitionNumber = "1", "1"
    header.VolumetricProperties, header.VolumeBasedCalculationTechnique = "VOLUME", "NONE"
    header.PixelPresentation, header.BurnedInAnnotation = "MONOCHROME", "NO"
    header.LossyImageCompression, header.PresentationLUTShape = "00", "IDENTITY"
    header.FrameOfReferenceUID = headers.uid("frame", phantom.study_uid)
    header.PositionReferenceIndicator = ""
    signed = phantom.stored.dtype.kind == "i"
    headers.describe_pixels(header, bits=16 if signed else 12, signed=signed)
    header.NumberOfFrames = str(len(phantom.stored))
    grid = phantom.grid

    def item(**values: object) -> list[Dataset]:
        one = Dataset()
        for keyword, value in values.items():
            setattr(one, keyword, value)
        return [one]

    shared = Dataset()
    shared.PixelMeasuresSequence = item(
        PixelSpacing=headers.decimals(grid.pixel_spacing),
        SliceThickness=headers.decimals([grid.slice_spacing])[0],
    )
    shared.PlaneOrientationSequence = item(
        ImageOrientationPatient=headers.decimals([*grid.row_direction, *grid.column_direction])
    )
    slope, intercept = headers.decimals([phantom.slope, phantom.intercept])
    shared.PixelValueTransformationSequence = item(
        RescaleSlope=slope, RescaleIntercept=intercept, RescaleType="HU"
    )
    shared.FrameVOILUTSequence = item(WindowCenter="40", WindowWidth="400")
    header.SharedFunctionalGroupsSequence = [shared]
    stack = headers.uid("stack", header.SOPInstanceUID)
    dimensions = []
    for keyword, group in ((0x00209056, 0x00209111), (0x00209057, 0x00209111)):
        dimensions += item(
            DimensionOrganizationUID=stack, DimensionIndexPointer=keyword, FunctionalGroupPointer=group
        )
    header.DimensionOrganizationSequence = item(DimensionOrganizationUID=stack)
    header.DimensionIndexSequence = dimensions
    frames = []
    for index in range(len(phantom.stored)):
        frame = Dataset()
        frame.PlanePositionSequence = item(ImagePositionPatient=headers.decimals(grid.position(index)))
        frame.FrameContentSequence = item(
            StackID="1", InStackPositionNumber=index + 1, DimensionIndexValues=[1, index + 1]
        )
        frames.append(frame)
    header.PerFrameFunctionalGroupsSequence = frames
    path.parent.mkdir(parents=True, exist_ok=True)
    headers.write(path, Slice(header, phantom.stored), headers.EXPLICIT_LITTLE_ENDIAN)
    return path
