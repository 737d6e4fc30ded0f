SELECT
  SeriesInstanceUID,
  ARRAY_AGG(SOPInstanceUID ORDER BY SAFE_CAST(InstanceNumber AS INT64) LIMIT 1)[OFFSET(0)] AS first,
  ARRAY_AGG(STRUCT(InstanceNumber AS number) ORDER BY SAFE_CAST(InstanceNumber AS INT64) DESC LIMIT 1)[OFFSET(0)].number AS last
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE PatientID LIKE 'PHANTOM%'
GROUP BY SeriesInstanceUID
ORDER BY SeriesInstanceUID
