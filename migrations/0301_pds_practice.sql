-- The practice (its ODS code) that PDS last named for a patient, as it stands in `said`; empty for none.
ALTER TABLE pds_trace ADD COLUMN practice {text} NOT NULL DEFAULT '';

CREATE INDEX pds_trace_practice ON pds_trace (practice, state);
