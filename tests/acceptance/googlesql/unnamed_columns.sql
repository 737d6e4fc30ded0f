SELECT COUNT(*), Modality, MAX(`Rows`) + 1
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE Modality IN ('CT', 'MR')
GROUP BY Modality
ORDER BY Modality
