WITH series AS (
  SELECT SeriesInstanceUID, ANY_VALUE(Modality) AS Modality, COUNT(*) AS n
  FROM `bigquery-public-data.idc_current.dicom_all`
  GROUP BY SeriesInstanceUID
),
large AS (SELECT SeriesInstanceUID FROM series WHERE n > 6)
SELECT series.* EXCEPT (SeriesInstanceUID)
FROM series JOIN large USING (SeriesInstanceUID)
ORDER BY n DESC, Modality
