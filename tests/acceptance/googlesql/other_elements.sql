SELECT SOPInstanceUID, e.Tag, e.Data[SAFE_OFFSET(0)] AS first
FROM `bigquery-public-data.idc_current.dicom_all`, UNNEST(OtherElements) e
WHERE e.Tag = 'Tag_00091002'
ORDER BY SOPInstanceUID
