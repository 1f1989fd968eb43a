-- Repeat prescriptions: what stands beside the Tasks and MedicationRequests.

-- Which pharmacy a patient wants their prescriptions to go to, as they said here. The nation's record of
-- it (PDS) is neither asked nor changed.
CREATE TABLE nominated_pharmacy (
  patient {text} NOT NULL PRIMARY KEY,
  pharmacy {text} NOT NULL,
  chosen_by {text} NOT NULL,
  chosen_at {int} NOT NULL
) {keyed};

-- Messages to the Electronic Prescription Service (EPS). `key` names one, so that the same message made
-- twice is one. `kind` is one of order, notification, return, release. `subject` is the prescription's
-- number, behind which a later message about it waits; `tasks` are the ids of the Tasks that it is about.
-- `draft` is what is to be sent before it is signed; `payload` what is sent, byte for byte, however often.
-- `state` is one of waiting, sent, refused, settled (a person has seen to it).
CREATE TABLE eps_message (
  number {serial},
  key {text} NOT NULL,
  kind {text} NOT NULL,
  subject {text} NOT NULL,
  patient {text} NOT NULL,
  tasks {text} NOT NULL,
  draft {text} NOT NULL,
  payload {text} NOT NULL,
  state {text} NOT NULL,
  tries {int} NOT NULL,
  next_try {int} NOT NULL,
  made_at {int} NOT NULL,
  state_at {int} NOT NULL,
  reason {text} NOT NULL
) {plain};

CREATE UNIQUE INDEX eps_message_key ON eps_message (key);
CREATE INDEX eps_message_state ON eps_message (state, number);
