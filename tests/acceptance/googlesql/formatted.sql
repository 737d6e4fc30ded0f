SELECT FORMAT('%s #%04d %.1f mm', Modality, SAFE_CAST(InstanceNumber AS INT64), SAFE_CAST(SliceThickness AS FLOAT64)) AS label
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE PatientID = 'PHANTOM-1'
ORDER BY label
