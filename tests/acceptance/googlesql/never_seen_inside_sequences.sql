SELECT d.SOPInstanceUID, e.ExposureInmAs, k.EventCodeSequence[SAFE_OFFSET(0)].CodeMeaning
FROM `bigquery-public-data.idc_current.dicom_all` AS d,
  UNNEST(IrradiationEventIdentificationSequence) AS e,
  UNNEST(e.DigitalSignaturesSequence) AS k
