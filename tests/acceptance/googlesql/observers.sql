SELECT o.VerifyingObserverName.Alphabetic.FamilyName AS observer, o.VerifyingOrganization
FROM `bigquery-public-data.idc_current.dicom_all`, UNNEST(VerifyingObserverSequence) o
ORDER BY observer
