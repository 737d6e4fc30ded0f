SELECT ImageType[OFFSET(ARRAY_LENGTH(ImageType) - 1)] AS last, COUNT(*) AS n
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE ARRAY_LENGTH(ImageType) > 0
GROUP BY last
ORDER BY last
