SELECT *
FROM (
  SELECT PatientID, Modality FROM `bigquery-public-data.idc_current.dicom_all`
  WHERE PatientID IN ('77654033', '98890234')
)
PIVOT (COUNT(*) FOR Modality IN ('CT', 'MR', 'CR'))
ORDER BY PatientID
