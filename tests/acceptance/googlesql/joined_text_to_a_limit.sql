SELECT STRING_AGG(InstanceNumber, '+' ORDER BY SAFE_CAST(InstanceNumber AS INT64) DESC LIMIT 3) AS last_three
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE PatientID = 'PHANTOM-1'
