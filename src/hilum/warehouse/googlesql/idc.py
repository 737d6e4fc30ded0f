"""Tables of Imaging Data Commons as views over ``dicom_metadata``, with IDC's names for what Hilum knows as well.

What IDC's curators add to a header (collections, licences, versions, IDC's own identifiers) is in no file, so those
columns are not here: an empty one would make a query wrong where an error makes it plain.
"""

from __future__ import annotations

from hilum.warehouse.tables import HEADERS, View

_OWN = """
    FileURI AS gcs_url, FileSize AS instance_size, PatientID AS submitter_case_id
"""
_CODE = ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")


def _code(item: str) -> str:
    """The first item of a code sequence as IDC has it, null where there is none."""
    fields = ", ".join(f"'{name}': {item}.{name}" for name in _CODE)
    return f"CASE WHEN {item} IS NULL THEN NULL ELSE {{{fields}}} END"


IDC_VIEWS: dict[str, View] = {
    view.name: view
    for view in (
        View(
            "dicom_all",
            "IDC's: dicom_metadata with gcs_url, instance_size and submitter_case_id",
            (HEADERS,),
            f"SELECT *, {_OWN} FROM {HEADERS}",
        ),
        View(
            "auxiliary_metadata",
            "IDC's: a row an instance, where it is and how large",
            (HEADERS,),
            f"SELECT StudyInstanceUID, SeriesInstanceUID, SOPInstanceUID, {_OWN} FROM {HEADERS}",
        ),
        View(
            "dicom_metadata_curated",
            "IDC's: SliceThickness as a number; BodyPartExamined is as sent, not curated",
            (HEADERS,),
            f"""
            SELECT SOPInstanceUID, TRY_CAST(SliceThickness AS DOUBLE) AS SliceThickness, BodyPartExamined
            FROM {HEADERS}
            """,
        ),
        View(
            "segmentations",
            "IDC's: a row a segment of a DICOM segmentation, with its codes",
            (HEADERS,),
            f"""
            SELECT PatientID, StudyInstanceUID, SeriesInstanceUID, SOPInstanceUID, FrameOfReferenceUID,
                {_code("segment.AnatomicRegionSequence[1]")} AS AnatomicRegion,
                {_code("segment.SegmentedPropertyCategoryCodeSequence[1]")} AS SegmentedPropertyCategory,
                {_code("segment.SegmentedPropertyTypeCodeSequence[1]")} AS SegmentedPropertyType,
                segment.SegmentAlgorithmType AS SegmentAlgorithmType,
                segment.SegmentAlgorithmName AS SegmentAlgorithmName,
                segment.SegmentNumber AS SegmentNumber,
                segment.SegmentLabel AS SegmentLabel,
                segment.TrackingUID AS TrackingUID, segment.TrackingID AS TrackingID,
                ReferencedSeriesSequence[1].SeriesInstanceUID AS segmented_SeriesInstanceUID
            FROM {HEADERS}, unnest(SegmentSequence) AS _segments(segment)
            WHERE SOPClassUID = '1.2.840.10008.5.1.4.1.1.66.4'
            """,
        ),
    )
}

_CURATED = """
access analysis_result_id aws_bucket aws_url cancer_type collection_cancertype collection_hash collection_id
collection_init_idc_version collection_name collection_revised_idc_version collection_species collection_timestamp
collection_tumorlocation crdc_instance_uuid crdc_series_uuid crdc_study_uuid gcs_bucket idc_case_id
idc_webapp_collection_id instance_final_idc_version instance_hash instance_init_idc_version
instance_revised_idc_version instance_uuid license_long_name license_short_name license_url patient_hash
patient_init_idc_version patient_revised_idc_version program series_aws_url
series_final_idc_version series_gcs_url series_hash series_init_idc_version series_instances
series_revised_idc_version series_uuid source_doi source_url study_final_idc_version study_hash
study_init_idc_version study_instances study_revised_idc_version study_uuid tcia_api_collection_id
tcia_tumorlocation viewer_url
"""
CURATED = frozenset(_CURATED.split())
"""IDC's columns, in lower case, that no header gives."""

_ABSENT = """
analysis_results_metadata dicom_derived_all dicom_metadata_curated_series_level dicom_pivot measurement_groups
original_collections_metadata qualitative_measurements quantitative_measurements version_metadata
"""
ABSENT = frozenset(_ABSENT.split())
"""IDC's tables that are not here."""
