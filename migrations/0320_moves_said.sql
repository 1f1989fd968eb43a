-- The practice (its ODS code) that an ITK3 letter named for its patient; empty for none, and once somebody said that they did not move.
ALTER TABLE itk3_in ADD COLUMN practice {text} NOT NULL DEFAULT '';

CREATE INDEX itk3_in_practice ON itk3_in (practice);

-- The practice that the patient has moved to from `home`, as that one signed: its statement is told to nobody any more.
ALTER TABLE sharing_held ADD COLUMN moved_to {text} NOT NULL DEFAULT '';

CREATE INDEX sharing_held_number ON sharing_held (nhs_number, moved_to);
