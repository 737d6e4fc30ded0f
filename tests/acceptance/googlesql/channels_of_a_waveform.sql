SELECT
  w.MultiplexGroupLabel,
  w.NumberOfWaveformChannels,
  STRING_AGG(c.ChannelSourceSequence[OFFSET(0)].CodeMeaning, ', ' ORDER BY o) AS leads
FROM `bigquery-public-data.idc_current.dicom_all`, UNNEST(WaveformSequence) w, UNNEST(w.ChannelDefinitionSequence) c WITH OFFSET o
GROUP BY 1, 2
ORDER BY 1
