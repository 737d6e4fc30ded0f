SELECT PatientName.Alphabetic.FamilyName AS family, PatientName.Alphabetic.GivenName AS given, COUNT(*) AS n
FROM `bigquery-public-data.idc_current.dicom_all`
WHERE PatientName.Alphabetic.GivenName IS NOT NULL
GROUP BY family, given
ORDER BY family, given
