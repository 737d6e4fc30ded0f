SELECT Manufacturer, i, r.RegionDataType, r.PhysicalDeltaX
FROM `bigquery-public-data.idc_current.dicom_all`
JOIN UNNEST(SequenceOfUltrasoundRegions) AS r WITH OFFSET i
ORDER BY Manufacturer, i
