-- Whether an organisation holds anything that is sealed and locked, which decides whether callers may
-- choose ids.
CREATE INDEX res_locked ON res (org) WHERE guard = 2;

-- An app's grant ends with the session within which it was given; none for what outlasts it.
ALTER TABLE oauth_grant ADD COLUMN session {bytes};
CREATE INDEX oauth_grant_session ON oauth_grant (session);
