-- Whether the patient's practice was written to in the commit that put what was written offline into the record: `to:` with its
-- ODS code; no-practice (none is known here), labelled (the visit carries a label), failed (no letter could be made of it).
-- Empty where nobody was to be told, and of what came before there were such letters.
ALTER TABLE visit_entry ADD COLUMN told {text} NOT NULL DEFAULT '';
