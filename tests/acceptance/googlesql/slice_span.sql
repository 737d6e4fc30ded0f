SELECT
  SeriesInstanceUID,
  ROUND(MAX(SAFE_CAST(ImagePositionPatient[SAFE_OFFSET(2)] AS FLOAT64))
    - MIN(SAFE_CAST(ImagePositionPatient[SAFE_OFFSET(2)] AS FLOAT64)), 3) AS span
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE PatientID LIKE 'PHANTOM-%'
GROUP BY SeriesInstanceUID
ORDER BY span DESC
