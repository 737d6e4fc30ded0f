SELECT
  SeriesInstanceUID,
  segment.SegmentNumber,
  segment.SegmentLabel,
  segment.SegmentedPropertyTypeCodeSequence[SAFE_OFFSET(0)].CodeMeaning AS meaning
FROM `bigquery-public-data.idc_current.dicom_all`
CROSS JOIN UNNEST(SegmentSequence) AS segment
WHERE SOPClassUID = '1.2.840.10008.5.1.4.1.1.66.4'
