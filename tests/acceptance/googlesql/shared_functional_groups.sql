SELECT
  SAFE_CAST(SharedFunctionalGroupsSequence[SAFE_OFFSET(0)]
    .PixelMeasuresSequence[SAFE_OFFSET(0)].PixelSpacing[SAFE_OFFSET(0)] AS FLOAT64) AS spacing,
  SharedFunctionalGroupsSequence[SAFE_OFFSET(0)].PixelMeasuresSequence[SAFE_OFFSET(0)].SliceThickness AS thickness
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE ARRAY_LENGTH(SharedFunctionalGroupsSequence) > 0
