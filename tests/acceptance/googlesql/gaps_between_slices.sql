SELECT DISTINCT ROUND(gap, 4) AS gap
FROM (
  SELECT
    LEAD(SAFE_CAST(ImagePositionPatient[SAFE_OFFSET(2)] AS FLOAT64))
      OVER (PARTITION BY SeriesInstanceUID ORDER BY SAFE_CAST(ImagePositionPatient[SAFE_OFFSET(2)] AS FLOAT64))
      - SAFE_CAST(ImagePositionPatient[SAFE_OFFSET(2)] AS FLOAT64) AS gap
  FROM `bigquery-public-data.idc_current.dicom_all`
  WHERE PatientID = 'PHANTOM-1'
)
WHERE gap IS NOT NULL
ORDER BY gap
