SELECT DISTINCT StudyInstanceUID, StudyDate, StudyDescription
FROM `bigquery-public-data.idc_v18.dicom_metadata`
WHERE PatientID = "98890234"
ORDER BY StudyDate, StudyDescription
