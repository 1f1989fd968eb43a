-- Whether a message has been mapped once: mapped again, it makes what is missing and changes nothing
-- that is here, since newer messages may have come after it.
ALTER TABLE hl7_message ADD COLUMN mapped {int} NOT NULL DEFAULT 0;

UPDATE hl7_message SET mapped = 1 WHERE state = 'mapped';
