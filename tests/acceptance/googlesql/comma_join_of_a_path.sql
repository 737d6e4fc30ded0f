SELECT d.PatientID, s.SegmentAlgorithmType
FROM `bigquery-public-data.idc_current.dicom_all` d, d.SegmentSequence AS s
