SELECT SOPInstanceUID
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE Modality = 'CT' AND SAFE_CAST(SliceThickness AS FLOAT64) < 2.5
ORDER BY SOPInstanceUID
