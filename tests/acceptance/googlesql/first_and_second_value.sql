SELECT
  SOPInstanceUID,
  PixelSpacing[OFFSET(0)] AS row_mm,
  PixelSpacing[SAFE_OFFSET(1)] AS column_mm,
  PixelSpacing[ORDINAL(1)] AS again,
  PixelSpacing[SAFE_OFFSET(2)] AS none
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE PixelSpacing[SAFE_OFFSET(0)] <> PixelSpacing[SAFE_OFFSET(1)]
ORDER BY SOPInstanceUID
