SELECT PatientID, StudyDate, Modality, InstanceNumber
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE PatientID IN ('98890234', '77654033')
QUALIFY ROW_NUMBER() OVER (PARTITION BY PatientID ORDER BY StudyDate DESC, SOPInstanceUID) = 1
ORDER BY PatientID
