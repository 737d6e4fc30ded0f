SELECT
  InstanceNumber,
  (
    SELECT ARRAY_AGG(SAFE_CAST(part AS FLOAT64) ORDER BY index)
    FROM UNNEST(ImageOrientationPatient) part WITH OFFSET index
    WHERE index BETWEEN 3 AND 5
  ) AS column_direction
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE PatientID = 'PHANTOM-1'
ORDER BY SAFE_CAST(InstanceNumber AS INT64)
