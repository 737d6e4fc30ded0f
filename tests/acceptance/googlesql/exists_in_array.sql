SELECT SOPInstanceUID
FROM `bigquery-public-data.idc_current.dicom_all` AS d
WHERE EXISTS (SELECT 1 FROM UNNEST(d.ImageType) AS t WHERE REGEXP_CONTAINS(t, r'^MPR'))
