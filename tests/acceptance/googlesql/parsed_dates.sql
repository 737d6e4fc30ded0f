SELECT
  PARSE_DATE('%Y%m%d', FORMAT_DATE('%Y%m%d', StudyDate)) = StudyDate AS round_trip,
  SAFE.PARSE_DATE('%Y%m%d', PatientID) AS of_an_id,
  PARSE_DATE('%d/%m/%Y', '05/06/2003') AS european
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE Modality = 'NM'
