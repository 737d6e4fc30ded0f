SELECT TO_JSON_STRING(STRUCT(Modality AS m, `Rows` AS r)) AS json
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE Modality = 'NM'
