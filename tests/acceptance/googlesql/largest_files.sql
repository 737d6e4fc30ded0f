SELECT ARRAY_AGG(STRUCT(Modality, instance_size) ORDER BY instance_size DESC LIMIT 2) AS largest
FROM `bigquery-public-data.idc_current.dicom_all`
