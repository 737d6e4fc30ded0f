SELECT
  COUNT(*) AS annotations,
  COUNTIF(a.UnformattedTextValue IS NOT NULL) AS texts,
  COUNT(DISTINCT a.AnnotationGroupNumber) AS groups_
FROM `bigquery-public-data.idc_current.dicom_all` AS t
CROSS JOIN UNNEST(t.WaveformAnnotationSequence) AS a
