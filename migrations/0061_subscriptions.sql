-- Subscriptions: what is watched, what changed, and what is still to be told.

-- A Subscription as the work needs it. `state` is one of requested, active, error, off. `events`
-- numbers what it was told of, from 1; `tries` counts failures since the last success.
CREATE TABLE sub (
  id {text} NOT NULL PRIMARY KEY,
  account {int} NOT NULL,
  state {text} NOT NULL,
  ty {text} NOT NULL,
  query {text} NOT NULL,
  channel {text} NOT NULL,
  endpoint {text} NOT NULL,
  headers {text} NOT NULL,
  payload {text} NOT NULL,
  content {text} NOT NULL,
  topic {text} NOT NULL,
  heartbeat_seconds {int} NOT NULL,
  ends_at {int},
  events {int} NOT NULL,
  tries {int} NOT NULL,
  next_try {int} NOT NULL,
  told_at {int} NOT NULL,
  error {text}
) {plain};

-- Changes of types that are watched, written with the change itself, until it is known who is to be
-- told.
CREATE TABLE sub_change (
  seq {serial},
  ty {text} NOT NULL,
  id {text} NOT NULL,
  ver {int} NOT NULL,
  at {int} NOT NULL
) {plain};

-- What a subscriber was told of (up to `sent`) and is still to be told of, in order.
CREATE TABLE sub_event (
  sub {text} NOT NULL,
  number {int} NOT NULL,
  ty {text} NOT NULL,
  id {text} NOT NULL,
  ver {int} NOT NULL,
  at {int} NOT NULL,
  sent {int} NOT NULL,
  PRIMARY KEY (sub, number)
) {keyed};
