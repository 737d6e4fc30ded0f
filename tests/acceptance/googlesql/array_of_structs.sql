SELECT ARRAY(SELECT AS STRUCT t AS value, o AS place FROM UNNEST(ImageType) AS t WITH OFFSET o ORDER BY o) AS parts
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE Modality = 'NM'
