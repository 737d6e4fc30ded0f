SELECT DISTINCT REGEXP_REPLACE(SeriesDescription, r'(\w+)\s+(\w+)', r'\2 \1') AS turned
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE REGEXP_CONTAINS(SeriesDescription, r'(?i)routine|axial')
ORDER BY turned
