SELECT APPROX_TOP_COUNT(Modality, 2) AS top
FROM `bigquery-public-data.idc_current.dicom_all`
