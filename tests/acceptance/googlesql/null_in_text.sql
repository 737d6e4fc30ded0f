SELECT COUNTIF(CONCAT(Modality, BodyPartExamined) IS NULL) AS unknown, COUNT(*) AS n
FROM `bigquery-public-data.idc_current.dicom_all`
