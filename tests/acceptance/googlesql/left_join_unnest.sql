SELECT Modality, COUNT(*) AS rows_, COUNTIF(t IS NULL) AS without
FROM `bigquery-public-data.idc_current.dicom_all`
LEFT JOIN UNNEST(ImageType) AS t
GROUP BY Modality
ORDER BY Modality
