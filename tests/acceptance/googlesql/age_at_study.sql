SELECT PatientID, DATE_DIFF(StudyDate, PatientBirthDate, YEAR) AS age
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE PatientBirthDate IS NOT NULL AND EXTRACT(YEAR FROM PatientBirthDate) > 1900
GROUP BY ALL
ORDER BY PatientID
