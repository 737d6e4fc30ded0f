SELECT PatientID, DoseReferenceNumber, TargetPrescriptionDose, offset
FROM `bigquery-public-data.idc_current.dicom_all`, UNNEST(DoseReferenceSequence) WITH OFFSET
ORDER BY offset
