SELECT Modality, COUNT(*) AS instances, COUNT(DISTINCT SeriesInstanceUID) AS series
FROM `bigquery-public-data.idc_current.dicom_all`
GROUP BY Modality
ORDER BY instances DESC, Modality
