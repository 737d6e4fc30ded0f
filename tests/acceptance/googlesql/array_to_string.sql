SELECT ARRAY_TO_STRING(ImageType, '/') AS image_type, COUNT(*) AS n
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE Modality = 'MR'
GROUP BY image_type
ORDER BY n DESC, image_type
