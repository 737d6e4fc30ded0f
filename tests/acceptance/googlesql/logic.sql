SELECT
  Modality,
  LOGICAL_OR(`Rows` > 100) AS any_large,
  LOGICAL_AND(`Rows` = `Columns`) AS all_square,
  IF(COUNT(*) > 10, 'many', 'few') AS how_many,
  CASE Modality WHEN 'CT' THEN 1 WHEN 'MR' THEN 2 ELSE NULL END AS code,
  GREATEST(COUNT(*), 5) AS at_least,
  GREATEST(COUNT(*), NULL) AS unknown
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE Modality IN ('CT', 'MR', 'US', 'SR')
GROUP BY Modality
ORDER BY Modality
