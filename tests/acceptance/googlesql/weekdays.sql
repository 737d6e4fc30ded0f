SELECT
  EXTRACT(DAYOFWEEK FROM StudyDate) AS weekday,
  EXTRACT(WEEK FROM StudyDate) AS week,
  EXTRACT(ISOWEEK FROM StudyDate) AS isoweek,
  FORMAT_DATE('%A', StudyDate) AS name
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE StudyDate IS NOT NULL
GROUP BY ALL
ORDER BY week, weekday
