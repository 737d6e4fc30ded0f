SELECT COUNT(*) AS n
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE StudyDate BETWEEN DATE '2001-01-01' AND DATE(2004, 12, 31)
