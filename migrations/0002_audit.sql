-- The audit log: one line a patient for each access and change, in one order, only ever added to.
CREATE TABLE audit (
  shard {int} NOT NULL,
  seq {number},
  at {int} NOT NULL,
  request_id {text} NOT NULL,
  interaction {text} NOT NULL,
  within {text} NOT NULL,
  outcome {text} NOT NULL,
  agent {text} NOT NULL,
  account {int},
  name {text} NOT NULL,
  role {text},
  organisation {text},
  agent_patient {text},
  purpose {text} NOT NULL,
  ty {text} NOT NULL,
  id {text},
  ver {int},
  patient {text},
  query {text}
  {numbered_by_seq}
) {plain};

CREATE INDEX audit_patient ON audit (patient, seq);
