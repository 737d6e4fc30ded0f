SELECT SUM(DISTINCT SAFE_CAST(SliceThickness AS NUMERIC)) AS total
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE Modality = 'CT'
