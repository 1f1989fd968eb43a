-- Topics that subscriptions name, and what opens a websocket.

-- A Basic that is a SubscriptionTopic: which changes it is of (`creates`, `updates`, `query`), what may
-- be filtered by (one parameter a line, with the modifiers that go with it), and what else is told
-- (`shape`, as a query of includes).
CREATE TABLE sub_topic (
  id {text} NOT NULL PRIMARY KEY,
  url {text} NOT NULL,
  ty {text} NOT NULL,
  creates {int} NOT NULL,
  updates {int} NOT NULL,
  query {text} NOT NULL,
  filters {text} NOT NULL,
  shape {text} NOT NULL
) {plain};

CREATE UNIQUE INDEX sub_topic_url ON sub_topic (url);

-- A token that binds a websocket to subscriptions (ids, one a line), once.
CREATE TABLE sub_token (
  digest {bytes} NOT NULL PRIMARY KEY,
  account {int} NOT NULL,
  subs {text} NOT NULL,
  expires_at {int} NOT NULL
) {plain};
