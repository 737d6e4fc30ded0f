SELECT
  DATETIME(StudyDate, StudyTime) AS started,
  DATETIME_DIFF(DATETIME(StudyDate, ContentTime), DATETIME(StudyDate, StudyTime), MINUTE) AS minutes
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE Modality = 'NM'
