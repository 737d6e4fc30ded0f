SELECT dose.SOPInstanceUID AS dose, ref.ReferencedSOPInstanceUID AS plan, plan.SOPInstanceUID IS NOT NULL AS here
FROM `bigquery-public-data.idc_current.dicom_all` AS dose
CROSS JOIN UNNEST(dose.ReferencedRTPlanSequence) AS ref
LEFT JOIN `bigquery-public-data.idc_current.dicom_all` AS plan
ON plan.SOPInstanceUID = ref.ReferencedSOPInstanceUID
WHERE dose.Modality = 'RTDOSE'
