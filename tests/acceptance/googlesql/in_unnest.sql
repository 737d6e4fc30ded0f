SELECT Modality, COUNT(*) AS n
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE 'DERIVED' IN UNNEST(ImageType)
GROUP BY Modality
ORDER BY Modality
