SELECT
  Modality,
  STRING_AGG(DISTINCT PatientSex, ',' ORDER BY PatientSex) AS sexes,
  STRING_AGG(DISTINCT CAST(StudyDate AS STRING), ' ' ORDER BY CAST(StudyDate AS STRING)) AS dates
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE Modality IN ('CT', 'US')
GROUP BY Modality
ORDER BY Modality
