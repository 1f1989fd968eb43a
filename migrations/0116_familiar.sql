-- Patients whom a member of staff knows, beside themselves and their colleagues (P10).
CREATE TABLE care_familiar (
  account {int} NOT NULL,
  patient {text} NOT NULL,
  kind {text} NOT NULL,
  at {int} NOT NULL,
  PRIMARY KEY (account, patient)
) {keyed};
