SELECT
  DATE_DIFF(MAX(StudyDate), MIN(StudyDate), DAY) AS days,
  DATE_DIFF(MAX(StudyDate), MIN(StudyDate), MONTH) AS months,
  DATE_DIFF(MAX(StudyDate), MIN(StudyDate), YEAR) AS years
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE PatientID IN ('77654033', '98890234')
