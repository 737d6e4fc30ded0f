SELECT
  STRING_AGG(DISTINCT Modality, '+' ORDER BY Modality) AS modalities,
  curated.BodyPartExamined,
  MIN(curated.SliceThickness) AS thinnest,
  COUNT(DISTINCT SeriesInstanceUID) AS series
FROM `bigquery-public-data.idc_v16.dicom_all` AS dicom_all
JOIN `bigquery-public-data.idc_v16.dicom_metadata_curated` AS curated
ON dicom_all.SOPInstanceUID = curated.SOPInstanceUID
WHERE curated.SliceThickness IS NOT NULL AND curated.BodyPartExamined IS NOT NULL
GROUP BY curated.BodyPartExamined
ORDER BY curated.BodyPartExamined
