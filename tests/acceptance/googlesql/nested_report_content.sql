SELECT outer_.ValueType AS outer_type, ARRAY_LENGTH(outer_.ContentSequence) AS n, number, contentSequence.ValueType AS inner_type
FROM `bigquery-public-data.idc_current.dicom_metadata`
CROSS JOIN UNNEST(ContentSequence) AS outer_
CROSS JOIN UNNEST(outer_.ContentSequence) AS contentSequence WITH OFFSET AS number
WHERE SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.33"
ORDER BY outer_type, n, number, inner_type
