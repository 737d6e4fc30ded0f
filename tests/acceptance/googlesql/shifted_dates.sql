SELECT DISTINCT
  StudyDate,
  DATE_ADD(StudyDate, INTERVAL 30 DAY) AS later,
  DATE_SUB(StudyDate, INTERVAL 1 MONTH) AS earlier,
  DATE_TRUNC(StudyDate, MONTH) AS month,
  DATE_TRUNC(StudyDate, WEEK) AS sunday,
  LAST_DAY(StudyDate) AS month_end
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE Modality = 'CT' AND StudyDate IS NOT NULL
ORDER BY StudyDate
