SELECT PatientID, ARRAY_AGG(DISTINCT Modality ORDER BY Modality) AS modalities
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE PatientID IN ('77654033', '98890234', 'PHANTOM-1')
GROUP BY PatientID
ORDER BY PatientID
