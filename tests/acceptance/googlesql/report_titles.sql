SELECT
  Modality,
  ConceptNameCodeSequence[OFFSET(0)].CodeMeaning AS title,
  CompletionFlag,
  VerificationFlag
FROM `bigquery-public-data.idc_current.dicom_metadata`
WHERE SOPClassUID IN ("1.2.840.10008.5.1.4.1.1.88.11", "1.2.840.10008.5.1.4.1.1.88.33")
ORDER BY SOPInstanceUID
