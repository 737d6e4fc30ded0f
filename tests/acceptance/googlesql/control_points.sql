SELECT beam.BeamNumber, ARRAY_LENGTH(beam.ControlPointSequence) AS points,
  (SELECT MAX(SAFE_CAST(point.CumulativeMetersetWeight AS FLOAT64))
   FROM UNNEST(beam.ControlPointSequence) AS point) AS last_weight
FROM `bigquery-public-data.idc_current.dicom_all`, UNNEST(BeamSequence) AS beam
