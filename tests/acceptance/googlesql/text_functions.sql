SELECT
  SUBSTR(Manufacturer, 1, 3) AS head,
  SUBSTR(Manufacturer, -4) AS tail,
  STRPOS(Manufacturer, 'Med') AS place,
  CONCAT(Modality, '/', Manufacturer) AS both,
  STARTS_WITH(Manufacturer, 'G.E.') AS dotted,
  LPAD(Modality, 4, '.') AS padded
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE Modality IN ('US', 'NM')
ORDER BY Manufacturer, Modality
