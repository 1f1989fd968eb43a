-- Who can sign in. An account is staff's (role, organisation) or a patient's (patient, nhs_number).
CREATE TABLE account (
  id {serial},
  login {text} NOT NULL UNIQUE,
  name {text} NOT NULL,
  role {text},
  organisation {text},
  patient {text},
  nhs_number {text},
  password_hash {text},
  made_at {int} NOT NULL,
  closed {int} NOT NULL DEFAULT 0
) {plain};

-- Secrets are kept as digests: reading this table lets nobody in.
CREATE TABLE session (
  digest {bytes} NOT NULL PRIMARY KEY,
  account {int} NOT NULL,
  began_at {int} NOT NULL,
  seen_at {int} NOT NULL
) {keyed};

CREATE TABLE api_token (
  digest {bytes} NOT NULL PRIMARY KEY,
  account {int} NOT NULL,
  label {text} NOT NULL,
  made_at {int} NOT NULL
) {keyed};

CREATE INDEX session_account ON session (account);
CREATE INDEX api_token_account ON api_token (account);
