-- How a session was begun, and what that proves.
ALTER TABLE session ADD COLUMN method {text} NOT NULL DEFAULT 'password';
ALTER TABLE session ADD COLUMN device {text} NOT NULL DEFAULT '';
-- Authenticator assurance level: 1 for one factor, 2 for two.
ALTER TABLE session ADD COLUMN aal {int} NOT NULL DEFAULT 1;
-- How far the identity behind this sign-in is proved: 9, 5, 0 as in NHS login's P9, P5, P0.
ALTER TABLE session ADD COLUMN identity {int} NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN stepped_up_at {int};
-- The role chosen for this session where another system says who has which, and those to choose from.
ALTER TABLE session ADD COLUMN role {text};
ALTER TABLE session ADD COLUMN roles {text};
-- A token that goes when the session does.
ALTER TABLE api_token ADD COLUMN session {bytes};
CREATE INDEX api_token_session ON api_token (session);
-- How far a patient's identity was ever proved, and a member of staff's own NHS number.
ALTER TABLE account ADD COLUMN identity {int} NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN own_nhs_number {text};
-- Until now a patient's account was only opened for who was checked in person.
UPDATE account SET identity = 9 WHERE patient IS NOT NULL;

-- One for each account that confirmed it. The code's secret has to be kept as it is.
CREATE TABLE second_factor (
  account {int} NOT NULL PRIMARY KEY,
  secret {bytes} NOT NULL,
  confirmed_at {int} NOT NULL,
  -- The time step of the last code that was taken: none serves twice.
  last_step {int} NOT NULL
) {keyed};

CREATE TABLE recovery_code (
  account {int} NOT NULL,
  digest {bytes} NOT NULL,
  made_at {int} NOT NULL,
  used_at {int},
  PRIMARY KEY (account, digest)
) {keyed};

-- A sign-in under way: taken once, by who holds the secret, before it expires.
CREATE TABLE sign_in_step (
  digest {bytes} NOT NULL PRIMARY KEY,
  kind {text} NOT NULL,
  data {text} NOT NULL,
  expires_at {int} NOT NULL
) {plain};
CREATE INDEX sign_in_step_expires ON sign_in_step (expires_at);

CREATE TABLE passkey (
  id {bytes} NOT NULL PRIMARY KEY,
  account {int} NOT NULL,
  label {text} NOT NULL,
  data {text} NOT NULL,
  made_at {int} NOT NULL,
  used_at {int}
) {plain};
CREATE INDEX passkey_account ON passkey (account);

-- Who another system's subject is here.
CREATE TABLE outside_identity (
  issuer {text} NOT NULL,
  subject {text} NOT NULL,
  account {int} NOT NULL,
  made_at {int} NOT NULL,
  PRIMARY KEY (issuer, subject)
) {keyed};

-- How an identity was proved: who saw what, and when. Never changed.
CREATE TABLE identity_proof (
  id {serial},
  account {int} NOT NULL,
  identity {int} NOT NULL,
  how {text} NOT NULL,
  seen {text} NOT NULL,
  by_account {int},
  by_name {text} NOT NULL,
  proved_at {int} NOT NULL
) {plain};
CREATE INDEX identity_proof_account ON identity_proof (account);
