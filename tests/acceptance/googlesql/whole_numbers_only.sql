SELECT
  COUNTIF(SAFE_CAST(SliceThickness AS INT64) IS NOT NULL) AS whole,
  COUNTIF(SAFE_CAST(SliceThickness AS FLOAT64) IS NOT NULL) AS numbers
FROM `bigquery-public-data.idc_current.dicom_all`
