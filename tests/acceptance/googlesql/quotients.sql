SELECT
  Modality,
  SAFE_DIVIDE(COUNT(BodyPartExamined), COUNT(*)) AS share,
  SAFE_DIVIDE(1, COUNT(SegmentSequence[SAFE_OFFSET(0)])) AS per_segmentation,
  DIV(COUNT(*), 2) AS half,
  MOD(COUNT(*), 2) AS odd
FROM `bigquery-public-data.idc_current.dicom_all`
GROUP BY Modality
ORDER BY Modality
