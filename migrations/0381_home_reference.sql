-- The Organization here that a patient's record refers to as the practice, where no ODS code stands beside the reference: the
-- patient's home is whatever code it has.
CREATE TABLE home_reference (
  patient {text} NOT NULL PRIMARY KEY,
  organization {text} NOT NULL
) {keyed};

CREATE INDEX home_reference_organization ON home_reference (organization);
