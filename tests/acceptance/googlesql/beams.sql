WITH plans AS (
  SELECT SOPInstanceUID, BeamSequence
  FROM `bigquery-public-data.idc_current.dicom_all`
  WHERE SOPClassUID = "1.2.840.10008.5.1.4.1.1.481.5"
)
SELECT
  beam.BeamName,
  beam.TreatmentMachineName,
  device.RTBeamLimitingDeviceType,
  SAFE_CAST(device.NumberOfLeafJawPairs AS INT64) AS pairs,
FROM plans
CROSS JOIN UNNEST(BeamSequence) AS beam
CROSS JOIN UNNEST(beam.BeamLimitingDeviceSequence) AS device
ORDER BY device.RTBeamLimitingDeviceType
