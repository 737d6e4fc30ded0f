SELECT DISTINCT SeriesInstanceUID
FROM `bigquery-public-data.idc_current.dicom_all`, UNNEST(ImageType) image_type
WHERE image_type = 'LOCALIZER' OR image_type LIKE "%MIP%"
ORDER BY SeriesInstanceUID
