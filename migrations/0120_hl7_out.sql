-- HL7 v2 outwards: what changed that another system is told of, and the messages to it.

-- Changes of types that some system is told of, written with the change itself, until the messages of
-- it are made.
CREATE TABLE hl7_change (
  seq {serial},
  ty {text} NOT NULL,
  id {text} NOT NULL,
  ver {int} NOT NULL,
  at {int} NOT NULL
) {plain};

-- Messages, each for one destination, in the order in which they are to be sent: to one destination
-- about one patient, none goes before the one before it is over. `state` is one of waiting, sent,
-- refused (the system answered so, or no message could be made), settled (a person has seen to it).
-- `work` is 1 while a person should look: then `reason` and `next_step` say why and what to do.
CREATE TABLE hl7_out (
  number {serial},
  destination {text} NOT NULL,
  patient {text} NOT NULL,
  kind {text} NOT NULL,
  control_id {text} NOT NULL,
  body {bytes} NOT NULL,
  state {text} NOT NULL,
  tries {int} NOT NULL,
  next_try {int} NOT NULL,
  made_at {int} NOT NULL,
  state_at {int} NOT NULL,
  work {int} NOT NULL,
  reason {text},
  next_step {text}
) {plain};

CREATE INDEX hl7_out_open ON hl7_out (destination, number) WHERE state = 'waiting' OR state = 'refused';
CREATE INDEX hl7_out_work ON hl7_out (number) WHERE work = 1;
