-- What patients want shared, at their home practice and at those who hold something about them.

-- `letter`, or `sharing-preference`: those are no letters and on no list of letters.
ALTER TABLE parcel ADD COLUMN kind {text} NOT NULL DEFAULT 'letter';

CREATE INDEX parcel_patient ON parcel (patient);

-- At the home practice: the number of the patient's present statement (its rules are the patient's
-- rows of `care_dissent`). `due` is 1 while somebody may still have to be sent it.
CREATE TABLE sharing (
  patient {text} NOT NULL PRIMARY KEY,
  version {int} NOT NULL,
  at {int} NOT NULL,
  due {int} NOT NULL
) {plain};

CREATE INDEX sharing_due ON sharing (due, patient);

-- Statements of other practices' patients, as signed. `patients` are the ids here, parted by spaces,
-- empty while nobody fits; `audience` are the ODS codes of those whom a second keeper is to tell.
CREATE TABLE sharing_held (
  home {text} NOT NULL,
  nhs_number {text} NOT NULL,
  version {int} NOT NULL,
  jws {text} NOT NULL,
  audience {text} NOT NULL,
  patients {text} NOT NULL,
  birth_date {text} NOT NULL,
  family {text} NOT NULL,
  at {int} NOT NULL,
  parcel {text} NOT NULL,
  refused_at {int},
  PRIMARY KEY (home, nhs_number)
) {plain};

CREATE INDEX sharing_held_patients ON sharing_held (patients);

-- The practice that a patient's own record names (its ODS code).
CREATE TABLE sharing_home (
  patient {text} NOT NULL PRIMARY KEY,
  home {text} NOT NULL
) {keyed};

CREATE INDEX sharing_home_home ON sharing_home (home);

-- When a home practice, or its second keeper, last said that nothing is outstanding here; 0 once it
-- is known that something is, and far ahead for who is no member of the network.
CREATE TABLE sharing_link (
  home {text} NOT NULL PRIMARY KEY,
  keeper {text} NOT NULL,
  confirmed_at {int} NOT NULL
) {keyed};
