SELECT SPLIT(SOPInstanceUID, '.')[SAFE_OFFSET(3)] AS fourth, COUNT(*) AS n
FROM `bigquery-public-data.idc_current.dicom_all`
GROUP BY fourth
ORDER BY n DESC, fourth
