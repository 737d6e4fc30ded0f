SELECT DISTINCT BodyPartExamined
FROM `bigquery-public-data.idc_current.dicom_all`
ORDER BY BodyPartExamined
