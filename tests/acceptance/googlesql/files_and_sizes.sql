# where the bytes are
SELECT gcs_url, instance_size
FROM `bigquery-public-data.idc_current.auxiliary_metadata`
WHERE SOPInstanceUID = '1.3.6.1.4.1.5962.1.1.1.1.1.20040119072730.12322'
