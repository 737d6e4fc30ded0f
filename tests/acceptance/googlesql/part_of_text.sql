SELECT DISTINCT PatientAge, REGEXP_EXTRACT(PatientAge, r'^0*(\d+)Y$') AS years
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE PatientAge IS NOT NULL
ORDER BY PatientAge
