-- Ask: questions that other organisations put to this one, what they answered to ours, and pointers:
-- who holds something about a patient.

-- Questions that were answered; until `until` the same one is refused.
CREATE TABLE ask_seen (
  peer {text} NOT NULL,
  id {text} NOT NULL,
  until {int} NOT NULL,
  PRIMARY KEY (peer, id)
) {keyed};

CREATE INDEX ask_seen_until ON ask_seen (until);

-- The last good answer of each source about each patient, as it came, until it is too old to be shown.
CREATE TABLE ask_copy (
  patient {text} NOT NULL,
  source {text} NOT NULL,
  at {int} NOT NULL,
  until {int} NOT NULL,
  body {bytes} NOT NULL,
  PRIMARY KEY (patient, source)
) {plain};

CREATE INDEX ask_copy_until ON ask_copy (until);

-- Patients of whom something is held here, and whom it was told: the home practice and its second keeper
-- (ODS codes, empty for nobody), by the pointer of that version. `due` is 1 while that is to be looked at.
CREATE TABLE pointer_own (
  patient {text} NOT NULL PRIMARY KEY,
  home {text} NOT NULL,
  keeper {text} NOT NULL,
  version {int} NOT NULL,
  due {int} NOT NULL,
  looked_at {int} NOT NULL
) {plain};

CREATE INDEX pointer_own_due ON pointer_own (due, looked_at);

-- At a home practice, and at its second keeper: who holds something about whom. A withdrawn pointer stays, so
-- that an older one that comes late does not bring it back.
CREATE TABLE pointer_held (
  nhs_number {text} NOT NULL,
  custodian {text} NOT NULL,
  home {text} NOT NULL,
  birth_date {text} NOT NULL,
  family {text} NOT NULL,
  version {int} NOT NULL,
  withdrawn {int} NOT NULL,
  at {int} NOT NULL,
  PRIMARY KEY (nhs_number, custodian)
) {plain};
