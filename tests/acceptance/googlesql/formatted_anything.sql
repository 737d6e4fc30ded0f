SELECT DISTINCT FORMAT('%t|%t', StudyDate, BodyPartExamined) AS label
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE Modality = 'MR'
ORDER BY label
