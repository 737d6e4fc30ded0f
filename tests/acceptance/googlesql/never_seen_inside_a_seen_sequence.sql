SELECT s.SegmentLabel, s.TrackingUID, ARRAY_LENGTH(s.AnatomicRegionSequence) AS regions,
  s.SegmentedPropertyTypeCodeSequence[OFFSET(0)].SegmentedPropertyTypeModifierCodeSequence[SAFE_OFFSET(0)].CodeMeaning AS side
FROM `bigquery-public-data.idc_current.dicom_all`, UNNEST(SegmentSequence) AS s
