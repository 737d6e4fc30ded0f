SELECT FORMAT_TIME('%H:%M', ContentTime) AS at, EXTRACT(HOUR FROM ContentTime) AS hour, COUNT(*) AS n
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE ContentTime IS NOT NULL AND Modality IN ('CT', 'CR')
GROUP BY at, hour
ORDER BY at
