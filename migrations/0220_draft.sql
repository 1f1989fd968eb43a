-- Letters in the making: what somebody has written and nobody has signed. `kind` says what it is to become;
-- `body` is what was written (JSON). `version` grows with each change, and a change is of the version that its
-- writer saw. `state` is one of open, signed, discarded; `ended_by` is who signed or discarded it.
CREATE TABLE draft (
  id {text} NOT NULL PRIMARY KEY,
  kind {text} NOT NULL,
  patient {text} NOT NULL,
  account {int} NOT NULL,
  author {text} NOT NULL,
  body {text} NOT NULL,
  version {int} NOT NULL,
  state {text} NOT NULL,
  begun_at {int} NOT NULL,
  changed_at {int} NOT NULL,
  ended_by {text} NOT NULL
) {plain};

CREATE INDEX draft_state ON draft (state, changed_at, id);
