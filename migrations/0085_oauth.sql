-- Apps and systems with tokens (SMART App Launch, OAuth 2). Secrets are kept as digests: reading these
-- tables lets nobody in.

-- An app. `kind` is public, symmetric or asymmetric; `state` is waiting, approved or revoked.
-- `redirects` holds an address a line. `account` is a system's own, made when it was approved.
CREATE TABLE oauth_client (
  id {text} NOT NULL PRIMARY KEY,
  name {text} NOT NULL,
  kind {text} NOT NULL,
  redirects {text} NOT NULL,
  launch_uri {text},
  jwks {text},
  jwks_uri {text},
  secret {bytes},
  scopes {text} NOT NULL,
  state {text} NOT NULL,
  account {int},
  made_at {int} NOT NULL,
  decided_at {int},
  decided_by {text}
) {plain};

-- What an app asks of a person who has not answered yet.
CREATE TABLE oauth_ask (
  digest {bytes} NOT NULL PRIMARY KEY,
  request {text} NOT NULL,
  expires_at {int} NOT NULL
) {plain};

-- The patient whose record was open when a member of staff launched an app.
CREATE TABLE oauth_launch (
  digest {bytes} NOT NULL PRIMARY KEY,
  account {int} NOT NULL,
  client {text} NOT NULL,
  patient {text} NOT NULL,
  expires_at {int} NOT NULL
) {keyed};

-- What a person allowed an app. `ended_why` tells of one that ended for safety.
CREATE TABLE oauth_grant (
  id {text} NOT NULL PRIMARY KEY,
  client {text} NOT NULL,
  account {int} NOT NULL,
  scopes {text} NOT NULL,
  patient {text},
  made_at {int} NOT NULL,
  ended_at {int},
  ended_why {text}
) {plain};

CREATE INDEX oauth_grant_client ON oauth_grant (client);

-- Kept after its use, so that a second use is known for what it is.
CREATE TABLE oauth_code (
  digest {bytes} NOT NULL PRIMARY KEY,
  grant_id {text} NOT NULL,
  redirect {text} NOT NULL,
  challenge {text} NOT NULL,
  nonce {text},
  jkt {text},
  expires_at {int} NOT NULL,
  used_at {int}
) {plain};

CREATE TABLE oauth_refresh (
  digest {bytes} NOT NULL PRIMARY KEY,
  grant_id {text} NOT NULL,
  jkt {text},
  expires_at {int} NOT NULL,
  used_at {int}
) {keyed};

-- `grant_id` is empty for a system's own token. `jkt` is the key that the token is bound to.
CREATE TABLE oauth_access (
  digest {bytes} NOT NULL PRIMARY KEY,
  grant_id {text} NOT NULL,
  client {text} NOT NULL,
  account {int} NOT NULL,
  scopes {text} NOT NULL,
  patient {text},
  jkt {text},
  made_at {int} NOT NULL,
  expires_at {int} NOT NULL
) {plain};

-- Assertions and proofs that were taken, until they would have expired.
CREATE TABLE oauth_seen (
  digest {bytes} NOT NULL PRIMARY KEY,
  expires_at {int} NOT NULL
) {keyed};

CREATE INDEX oauth_refresh_grant ON oauth_refresh (grant_id);
CREATE INDEX oauth_access_grant ON oauth_access (grant_id);
CREATE INDEX oauth_access_client ON oauth_access (client);
CREATE INDEX oauth_access_expires ON oauth_access (expires_at);
CREATE INDEX oauth_seen_expires ON oauth_seen (expires_at);
CREATE INDEX oauth_ask_expires ON oauth_ask (expires_at);
CREATE INDEX oauth_code_expires ON oauth_code (expires_at);
