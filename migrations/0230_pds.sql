-- What PDS, the national record of who is who, says of the patients here: one row a patient. `state` is one of
-- waiting, matched, differs, superseded, unknown, invalid, refused, settled. `identity` is a digest of the number, name and birth date
-- that were asked about. `said` is what PDS last answered, as this node keeps it, and `said_at` when; 0 for never.
CREATE TABLE pds_trace (
  patient {text} NOT NULL PRIMARY KEY,
  identity {text} NOT NULL,
  state {text} NOT NULL,
  state_at {int} NOT NULL,
  tries {int} NOT NULL,
  next_try {int} NOT NULL,
  reason {text} NOT NULL,
  said {text} NOT NULL,
  said_at {int} NOT NULL
) {plain};

CREATE INDEX pds_trace_state ON pds_trace (state, next_try);

CREATE INDEX pds_trace_state_at ON pds_trace (state, state_at);

-- Where a restricted patient lives, released to a team that must find the door, until then.
CREATE TABLE care_team_opening (
  number {serial},
  org {text} NOT NULL,
  patient {text} NOT NULL,
  workgroup {text} NOT NULL,
  account {int} NOT NULL,
  who {text} NOT NULL,
  reason {text} NOT NULL,
  starts_at {int} NOT NULL,
  ends_at {int} NOT NULL
) {plain};

CREATE INDEX care_team_opening_workgroup ON care_team_opening (workgroup, ends_at);
