SELECT
  seg.SegmentNumber,
  seg.SegmentedPropertyCategory.CodeMeaning AS category,
  seg.SegmentedPropertyType.CodeValue AS code,
  seg.SegmentedPropertyType.CodingSchemeDesignator AS scheme,
  seg.AnatomicRegion,
  seg.segmented_SeriesInstanceUID,
  src.Modality AS source_modality
FROM `bigquery-public-data.idc_current.segmentations` seg
LEFT JOIN `bigquery-public-data.idc_current.dicom_all` src
ON seg.segmented_SeriesInstanceUID = src.SeriesInstanceUID
WHERE seg.SegmentedPropertyType.CodeMeaning = 'Liver'
