-- Visits to people at home, and what was taken along to be written offline (docs/visits.md). What is to be done and what
-- was done stands in the Task of the same id and what hangs on it; here is only what lists and decisions need.

-- `account` is whose visit it is, `nurse` their name. `day` is the day in the UK (2026-11-29), `at` when it is planned.
-- `state` is one of planned, done, not-done, cancelled.
CREATE TABLE visit (
  id {text} NOT NULL PRIMARY KEY,
  patient {text} NOT NULL,
  account {int} NOT NULL,
  nurse {text} NOT NULL,
  day {text} NOT NULL,
  at {int} NOT NULL,
  state {text} NOT NULL,
  changed_at {int} NOT NULL
) {plain};

CREATE INDEX visit_day ON visit (day, at, id);
CREATE INDEX visit_account ON visit (account, day, at, id);

-- Day packs. `return_key` opens what is written in the pack and nothing else (hex, 32 bytes); the pack itself opens with
-- its passphrase, which is nowhere here. `state` is one of out, back, ended, expired; `why` says why it was ended.
-- `heard_at` is when something of it came last; 0 for never.
CREATE TABLE visit_pack (
  id {text} NOT NULL PRIMARY KEY,
  account {int} NOT NULL,
  nurse {text} NOT NULL,
  day {text} NOT NULL,
  made_at {int} NOT NULL,
  expires_at {int} NOT NULL,
  return_key {text} NOT NULL,
  state {text} NOT NULL,
  heard_at {int} NOT NULL,
  why {text} NOT NULL
) {plain};

CREATE INDEX visit_pack_state ON visit_pack (state, made_at, id);

-- Which visits a pack holds. `version` is the Task's as it was taken along, or as the pack's own entries left it.
-- `heard` is 1 once something about it came back.
CREATE TABLE visit_taken (
  pack {text} NOT NULL,
  visit {text} NOT NULL,
  version {int} NOT NULL,
  heard {int} NOT NULL,
  PRIMARY KEY (pack, visit)
) {keyed};

CREATE INDEX visit_taken_visit ON visit_taken (visit, pack);

-- What was written offline, once for each id that was made there. `body` is what was written (JSON), `author` who wrote it
-- and `arrived_by` who brought it. `state` is one of landed (in the record), held (a person must decide), put-in (a person
-- put it into the record), kept-out (a person decided that it stays here alone); `why` says why it was held, `settled_why`
-- what was decided.
CREATE TABLE visit_entry (
  id {text} NOT NULL PRIMARY KEY,
  pack {text} NOT NULL,
  visit {text} NOT NULL,
  patient {text} NOT NULL,
  account {int} NOT NULL,
  author {text} NOT NULL,
  body {text} NOT NULL,
  happened_at {int} NOT NULL,
  written_at {int} NOT NULL,
  arrived_at {int} NOT NULL,
  arrived_by {text} NOT NULL,
  state {text} NOT NULL,
  why {text} NOT NULL,
  settled_at {int} NOT NULL,
  settled_by {text} NOT NULL,
  settled_why {text} NOT NULL
) {plain};

CREATE INDEX visit_entry_state ON visit_entry (state, arrived_at, id);
CREATE INDEX visit_entry_visit ON visit_entry (visit, happened_at, id);
