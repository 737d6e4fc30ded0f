SELECT
  SeriesInstanceUID,
  COUNT(SOPInstanceUID) AS instanceCount,
  ROUND(SUM(SAFE_CAST(instance_size AS FLOAT64)) / 1000, 2) AS series_size_kB,
FROM
  bigquery-public-data.idc_v16.dicom_all AS dicom_all
GROUP BY
  SeriesInstanceUID
HAVING instanceCount > 4
ORDER BY
  SeriesInstanceUID
