SELECT PatientID FROM `bigquery-public-data.idc_current.dicom_all` WHERE Modality = 'CT' AND PatientID <> ''
INTERSECT DISTINCT
SELECT PatientID FROM `bigquery-public-data.idc_current.dicom_all` WHERE Modality = 'CR' AND PatientID <> ''
UNION DISTINCT
SELECT 'nobody'
ORDER BY PatientID
