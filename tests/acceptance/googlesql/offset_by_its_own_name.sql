SELECT value, offset
FROM `bigquery-public-data.idc_current.dicom_all`
CROSS JOIN UNNEST(ImageType) AS value WITH OFFSET
WHERE SOPInstanceUID = '1.3.6.1.4.1.5962.1.1.1.1.1.20040119072730.12322'
ORDER BY offset
