-- A handover that stood in a wrong record and was put into another: `record` is the Encounter's id in the record where it
-- stands now, empty while that is `id`; `moved_from` is the Patient in whose record it stood, as long as it can be put back.
ALTER TABLE crew_handover ADD COLUMN record {text} NOT NULL DEFAULT '';
ALTER TABLE crew_handover ADD COLUMN moved_from {text} NOT NULL DEFAULT '';
