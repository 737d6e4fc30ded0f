SELECT SeriesInstanceUID, n, RANK() OVER (ORDER BY n DESC) AS place
FROM (
  SELECT SeriesInstanceUID, COUNT(*) AS n
  FROM `bigquery-public-data.idc_current.dicom_all`
  GROUP BY SeriesInstanceUID
)
QUALIFY place <= 3
ORDER BY place, SeriesInstanceUID
