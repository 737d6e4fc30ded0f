SELECT o, value, COUNT(*) AS n
FROM `bigquery-public-data.idc_current.dicom_all`, UNNEST(ImageType) AS value WITH OFFSET AS o
WHERE Modality = 'CT'
GROUP BY o, value
ORDER BY o, value
