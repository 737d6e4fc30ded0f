SELECT * REPLACE (LOWER(Modality) AS Modality)
FROM (SELECT Modality, `Rows`, `Columns` FROM `bigquery-public-data.idc_current.dicom_all` WHERE PatientID LIKE 'PHANTOM%')
GROUP BY ALL
ORDER BY Modality
