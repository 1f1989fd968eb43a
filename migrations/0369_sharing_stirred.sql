-- Counts up with each one who came to hold something about the patient, so that nobody is left out who came while the others
-- were being told.
ALTER TABLE sharing ADD COLUMN stirred {int} NOT NULL DEFAULT 0;
