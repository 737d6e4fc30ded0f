SELECT SOPInstanceUID, ARRAY(SELECT UPPER(t) FROM UNNEST(ImageType) AS t WHERE LENGTH(t) < 6 ORDER BY t) AS short
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE Modality IN ('NM', 'OT', 'US')
ORDER BY SOPInstanceUID
