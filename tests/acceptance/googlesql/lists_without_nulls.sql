SELECT Modality, ARRAY_AGG(DISTINCT KVP IGNORE NULLS ORDER BY KVP) AS kvps
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE Modality IN ('CT', 'CR')
GROUP BY Modality
ORDER BY Modality
