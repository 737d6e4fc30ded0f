SELECT COUNT(*) AS n
FROM bigquery-public-data.idc_current.dicom_all
WHERE Modality = "CT" AND Manufacturer LIKE "GE%"
