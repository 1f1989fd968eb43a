-- Which of the people here opted out of uses beyond their care: what the national service answered when
-- it was last asked. It is no setting of theirs that is kept, but an answer with its date, which is
-- dropped once a later one is there.

-- A question to the service. `state` is one of asking (its numbers are being listed), sent, answered,
-- failed. The answered one that was sent last is in force.
CREATE TABLE opt_out_check (
  number {int} NOT NULL PRIMARY KEY,
  reference {text} NOT NULL,
  state {text} NOT NULL,
  message {text} NOT NULL,
  asked {int} NOT NULL,
  usable {int} NOT NULL,
  begun_at {int} NOT NULL,
  sent_at {int} NOT NULL,
  answered_at {int} NOT NULL,
  reason {text} NOT NULL
) {plain};

-- The NHS numbers that were asked about; `usable` is 1 for those that the answer names.
CREATE TABLE opt_out_number (
  check_number {int} NOT NULL,
  nhs_number {text} NOT NULL,
  usable {int} NOT NULL,
  PRIMARY KEY (check_number, nhs_number)
) {keyed};
