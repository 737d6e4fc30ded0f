"""An enhanced MR header as Philips and Siemens scanners write it today: 96 frames in one object, each described by
functional groups (PS3.3 A.36 and C.7.6.16), which makes 7,040 elements in sequences three levels deep.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian

FRAMES, ELEMENTS = 96, 7040


def write_enhanced(path: Path, header: Dataset, index: int) -> None:
    """Write the object, with 8 x 8 pixels a frame: the header is what is measured.

    Args:
        header: a plain MR's; its elements fill what is not peculiar to enhanced objects.
        index: of the object; no two have the same times, positions and scales.
    """
    dataset = _dataset(_top(index))
    dataset.PerFrameFunctionalGroupsSequence = [_dataset(_frame(index, number)) for number in range(FRAMES)]
    missing = ELEMENTS - sum(1 for _ in dataset.iterall())
    donor = [each for each in header if each.tag not in dataset and each.VR != "SQ"]
    for element in sorted(donor, key=lambda each: (each.tag.is_private, each.tag.group > 0x5000))[:missing]:
        dataset.add(element)
    dataset.PixelData = np.zeros((FRAMES, 8, 8), "<i2").tobytes()
    dataset["PixelData"].VR = "OW"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)


def _dataset(values: dict[str, Any]) -> Dataset:
    """A data set of keywords; a dict is a sequence of one item, a list of dicts of several."""
    dataset = Dataset()
    for keyword, value in values.items():
        if isinstance(value, dict):
            value = [value]
        if isinstance(value, list) and value and isinstance(value[0], dict):
            value = Sequence(_dataset(item) for item in value)
        setattr(dataset, keyword, value)
    return dataset


def _code(value: str, meaning: str) -> dict[str, str]:
    return {"CodeValue": value, "CodingSchemeDesignator": "SCT", "CodeMeaning": meaning}


def _frame(index: int, number: int) -> dict[str, Any]:
    """The functional groups of a frame: 72 elements in all."""
    time = f"2024031210{10 + 2 * index + number // 60}{number % 60:02}.{number * 977 % 1_000_000:06}"
    return {
        "FrameContentSequence": {
            "FrameAcquisitionNumber": 1,
            "FrameReferenceDateTime": time,
            "FrameAcquisitionDateTime": time,
            "FrameAcquisitionDuration": 35.25,
            "CardiacCyclePosition": "UNDEFINED",
            "RespiratoryCyclePosition": "UNDEFINED",
            "DimensionIndexValues": [1, number + 1],
            "StackID": "1",
            "InStackPositionNumber": number + 1,
            "TemporalPositionIndex": 1,
        },
        "PlanePositionSequence": {
            "ImagePositionPatient": ["-119.5", "-88.25", f"{number * 1.2 - 60 + index * 0.0731:.4f}"]
        },
        "PlaneOrientationSequence": {
            "ImageOrientationPatient": ["1", "0", "0", "0", "0.99862953", "-0.0523"]
        },
        "PixelMeasuresSequence": {
            "SliceThickness": "1.2",
            "SpacingBetweenSlices": "1.2",
            "PixelSpacing": ["0.9375", "0.9375"],
        },
        "FrameAnatomySequence": {
            "AnatomicRegionSequence": _code("12738006", "Brain"),
            "FrameLaterality": "U",
        },
        "FrameVOILUTSequence": {"WindowCenter": f"{500 + 96 * index + number}", "WindowWidth": "1000"},
        "PixelValueTransformationSequence": {
            "RescaleIntercept": "0",
            "RescaleSlope": f"1.{97 * index + number:04}",
            "RescaleType": "US",
        },
        "MRImageFrameTypeSequence": {
            "FrameType": ["ORIGINAL", "PRIMARY", "M_FFE", "NONE"],
            "PixelPresentation": "MONOCHROME",
            "VolumetricProperties": "VOLUME",
            "VolumeBasedCalculationTechnique": "NONE",
            "ComplexImageComponent": "MAGNITUDE",
            "AcquisitionContrast": "T1",
        },
        "MRTimingAndRelatedParametersSequence": {
            "RepetitionTime": "7.9",
            "FlipAngle": "8",
            "EchoTrainLength": "0",
            "RFEchoTrainLength": 0,
            "GradientEchoTrainLength": 1,
            "OperatingModeSequence": {"OperatingModeType": "GRADIENT", "OperatingMode": "IEC_NORMAL"},
        },
        "MREchoSequence": {"EffectiveEchoTime": 3.5},
        "MRModifierSequence": {
            "InversionRecovery": "NO",
            "FlowCompensation": "NONE",
            "Spoiling": "RF_AND_GRADIENT",
            "T2Preparation": "NO",
            "SpectrallySelectedExcitation": "NONE",
            "SpatialPresaturation": "NONE",
            "PartialFourier": "NO",
            "ParallelAcquisition": "YES",
        },
        "MRImagingModifierSequence": {
            "MagnetizationTransfer": "NONE",
            "BloodSignalNulling": "NO",
            "Tagging": "NONE",
            "TransmitterFrequency": 63.864,
            "PixelBandwidth": "289.35",
        },
        "MRFOVGeometrySequence": {
            "InPlanePhaseEncodingDirection": "ROW",
            "MRAcquisitionFrequencyEncodingSteps": 240,
            "MRAcquisitionPhaseEncodingStepsInPlane": 226,
            "PercentSampling": "94.17",
        },
        "MRAveragesSequence": {"NumberOfAverages": "1"},
    }


def _top(index: int) -> dict[str, Any]:
    """What this class of object has beside its frames."""
    organization = "2.25.30120031"
    dimensions = [(0x00209056, 0x00209111), (0x00209057, 0x00209111)]
    return {
        "SOPClassUID": EnhancedMRImageStorage,
        "NumberOfFrames": str(FRAMES),
        "ImageType": ["ORIGINAL", "PRIMARY", "M_FFE", "NONE"],
        "PixelPresentation": "MONOCHROME",
        "VolumetricProperties": "VOLUME",
        "SOPInstanceUID": f"2.25.7040{index}",
        "AcquisitionDateTime": f"2024031210{10 + 2 * index}00.000000",
        "AcquisitionDuration": 228.5,
        "ContentQualification": "PRODUCT",
        "ResonantNucleus": "1H",
        "KSpaceFiltering": "NONE",
        "DimensionOrganizationSequence": {"DimensionOrganizationUID": organization},
        "DimensionIndexSequence": [
            {
                "DimensionOrganizationUID": organization,
                "DimensionIndexPointer": pointer,
                "FunctionalGroupPointer": group,
            }
            for pointer, group in dimensions
        ],
        "SharedFunctionalGroupsSequence": {
            "MRReceiveCoilSequence": {
                "ReceiveCoilName": "SENSE-Head-8",
                "ReceiveCoilType": "MULTICOIL",
                "QuadratureReceiveCoil": "YES",
                "MultiCoilDefinitionSequence": {
                    "MultiCoilElementName": "ELEMENT 1",
                    "MultiCoilElementUsed": "YES",
                },
            },
        },
        "Rows": 8,
        "Columns": 8,
    }
