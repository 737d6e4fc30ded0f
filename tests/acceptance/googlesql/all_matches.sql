SELECT REGEXP_EXTRACT_ALL(SOPInstanceUID, r'\d{6,}') AS long_parts
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE Modality = 'SEG'
