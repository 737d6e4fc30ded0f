SELECT * EXCEPT (n, secret)
FROM (
  SELECT Modality, COUNT(*) AS n, MIN(PatientID) AS secret, MAX(StudyDate) AS latest
  FROM `bigquery-public-data.idc_current.dicom_all`
  GROUP BY Modality
)
ORDER BY Modality
