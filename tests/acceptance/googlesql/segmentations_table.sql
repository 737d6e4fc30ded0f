SELECT
  SegmentNumber,
  SegmentedPropertyCategory.CodeMeaning AS category,
  SegmentedPropertyType.CodeValue AS code,
  SegmentedPropertyType.CodingSchemeDesignator AS scheme,
  AnatomicRegion
FROM `bigquery-public-data.idc_current.segmentations`
