SELECT
  frame_number,
  plane.ImagePositionPatient[OFFSET(2)] AS z
FROM
  `bigquery-public-data.idc_current.dicom_all`,
  UNNEST(PerFrameFunctionalGroupsSequence) AS frame WITH OFFSET AS frame_number,
  UNNEST(frame.PlanePositionSequence) AS plane
WHERE Modality = 'SEG'
ORDER BY frame_number
