# where the bytes are
SELECT REGEXP_EXTRACT(gcs_url, r'[^/]+$') AS name, instance_size
FROM `bigquery-public-data.idc_current.auxiliary_metadata`
WHERE SOPInstanceUID = '1.3.6.1.4.1.5962.1.1.1.1.1.20040119072730.12322'
