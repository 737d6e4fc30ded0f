DECLARE thin FLOAT64 DEFAULT 2.0;
DECLARE wanted STRING DEFAULT 'CT';
SELECT COUNT(*) AS n
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE SAFE_CAST(SliceThickness AS FLOAT64) < thin AND Modality = wanted
