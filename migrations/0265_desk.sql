-- The staff workbench: whose work a letter is, what is filed with others, tasks, teams and teams' templates. A team shares
-- work; it gives nobody sight of a record.

-- Letters that were filed together, and until when that can be undone (`until`, in milliseconds). `state` is done or undone.
CREATE TABLE parcel_bulk (
  id {text} NOT NULL PRIMARY KEY,
  account {int} NOT NULL,
  who {text} NOT NULL,
  at {int} NOT NULL,
  until {int} NOT NULL,
  letters {int} NOT NULL,
  state {text} NOT NULL,
  ended_by {text} NOT NULL,
  put_back {int} NOT NULL
) {plain};

CREATE INDEX parcel_bulk_until ON parcel_bulk (until, id);

-- `seq` is the step that filed the letter; `release_at` when the patient would have been shown it otherwise (null: never).
CREATE TABLE parcel_bulk_letter (
  bulk {text} NOT NULL,
  pid {int} NOT NULL,
  seq {int} NOT NULL,
  release_at {int},
  PRIMARY KEY (bulk, pid)
) {plain};

-- A receipt does not leave before this time: until then what it tells can be undone.
ALTER TABLE parcel_receipt ADD COLUMN held_until {int} NOT NULL DEFAULT 0;

CREATE TABLE desk_team (
  id {text} NOT NULL PRIMARY KEY,
  name {text} NOT NULL UNIQUE,
  made_at {int} NOT NULL,
  made_by {text} NOT NULL
) {plain};

CREATE TABLE desk_member (
  team {text} NOT NULL,
  account {int} NOT NULL,
  lead {int} NOT NULL,
  PRIMARY KEY (team, account)
) {plain};

CREATE INDEX desk_member_account ON desk_member (account);

-- What one person has asked for and another has still to confirm: `kind` is lead or leave.
CREATE TABLE desk_asked (
  id {text} NOT NULL PRIMARY KEY,
  kind {text} NOT NULL,
  team {text} NOT NULL,
  account {int} NOT NULL,
  asked_by {int} NOT NULL,
  asked_who {text} NOT NULL,
  asked_at {int} NOT NULL
) {plain};

-- Whose work a letter is: a person's (`account`), a team's, or with both a person's in a team. No row: nobody's.
CREATE TABLE desk_assigned (
  pid {int} NOT NULL PRIMARY KEY,
  account {int} NOT NULL,
  team {text} NOT NULL,
  by_who {text} NOT NULL,
  at {int} NOT NULL
) {plain};

CREATE INDEX desk_assigned_to ON desk_assigned (account, team);

CREATE TABLE desk_filter (
  account {int} NOT NULL,
  name {text} NOT NULL,
  query {text} NOT NULL,
  made_at {int} NOT NULL,
  PRIMARY KEY (account, name)
) {plain};

-- Work to do: what is to be done is in the Task of the same id. `due` is the first millisecond of a day (UTC), `state` one of
-- open, done, not-done; `pid` is the letter that it came of, 0 for none.
CREATE TABLE desk_task (
  id {text} NOT NULL PRIMARY KEY,
  patient {text} NOT NULL,
  pid {int} NOT NULL,
  account {int} NOT NULL,
  team {text} NOT NULL,
  due {int} NOT NULL,
  urgent {int} NOT NULL,
  state {text} NOT NULL,
  made_at {int} NOT NULL,
  made_by {text} NOT NULL,
  state_at {int} NOT NULL,
  state_by {text} NOT NULL,
  version {int} NOT NULL
) {plain};

CREATE INDEX desk_task_open ON desk_task (state, due, id);
CREATE INDEX desk_task_pid ON desk_task (pid);

-- Texts that a team begins letters with; `team` is empty for everybody's.
CREATE TABLE desk_template (
  id {text} NOT NULL PRIMARY KEY,
  team {text} NOT NULL,
  name {text} NOT NULL,
  body {text} NOT NULL,
  version {int} NOT NULL,
  changed_at {int} NOT NULL,
  changed_by {text} NOT NULL
) {plain};

-- The team to which a draft fell when its writer left; empty while its writer is here.
ALTER TABLE draft ADD COLUMN team {text} NOT NULL DEFAULT '';
