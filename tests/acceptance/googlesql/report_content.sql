WITH
  level1 AS (
    WITH reports AS (
      SELECT SOPInstanceUID, ContentSequence
      FROM `bigquery-public-data.idc_current.dicom_metadata`
      WHERE Modality = "SR"
    )
    SELECT SOPInstanceUID, contentSequence
    FROM reports
    CROSS JOIN UNNEST(ContentSequence) AS contentSequence
  )
SELECT
  contentSequence.ValueType,
  contentSequence.RelationshipType,
  contentSequence.ConceptNameCodeSequence[SAFE_OFFSET(0)].CodeMeaning AS concept,
  contentSequence.TextValue
FROM level1
ORDER BY SOPInstanceUID, contentSequence.ValueType, concept, contentSequence.TextValue
