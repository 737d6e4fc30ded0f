SELECT
  COUNT(*) AS n,
  COUNT(DiffusionBValue) AS values_,
  COUNT(TubeAngle) AS others,
  SUM(ARRAY_LENGTH(DiffusionGradientOrientation)) AS components
FROM `bigquery-public-data.idc_current.dicom_all`
