-- Who cares for whom, what is sealed, and what the privacy officer looks at.

-- What a resource's own labels say: 0 open, 1 sealed to a workgroup, 2 sealed and locked.
ALTER TABLE res ADD COLUMN guard {int} NOT NULL DEFAULT 0;
ALTER TABLE res ADD COLUMN workgroup {text} NOT NULL DEFAULT '';

CREATE INDEX res_sealed ON res (org) WHERE guard = 1;

-- The patients of resources that are about more than one; of all others `res.patients` is the one.
CREATE TABLE res_several (
  rid {int} NOT NULL,
  shard {int} NOT NULL,
  patient {text} NOT NULL,
  PRIMARY KEY (rid, shard, patient)
) {keyed};

INSERT INTO res_several (rid, shard, patient)
  SELECT c.rid, c.shard, c.patient FROM compartment c
  JOIN res r ON r.shard = c.shard AND r.rid = c.rid WHERE r.patients LIKE '% %';

-- A relationship with a patient: the whole organisation's (`account` 0 and no workgroup), a
-- workgroup's or one account's. It is live from `starts_at` until before `ends_at`.
CREATE TABLE care_link (
  number {serial},
  patient {text} NOT NULL,
  org {text} NOT NULL,
  account {int} NOT NULL,
  workgroup {text} NOT NULL,
  kind {text} NOT NULL,
  source {text} NOT NULL,
  reason {text} NOT NULL,
  made_at {int} NOT NULL,
  starts_at {int} NOT NULL,
  ends_at {int} NOT NULL
) {plain};

CREATE UNIQUE INDEX care_link_key ON care_link (patient, org, account, workgroup, kind, source);

CREATE TABLE care_workgroup (
  account {int} NOT NULL,
  workgroup {text} NOT NULL,
  PRIMARY KEY (account, workgroup)
) {keyed};

-- A record opened for a time that is otherwise withheld.
CREATE TABLE care_opening (
  number {serial},
  account {int} NOT NULL,
  patient {text} NOT NULL,
  kind {text} NOT NULL,
  code {text} NOT NULL,
  reason {text} NOT NULL,
  starts_at {int} NOT NULL,
  ends_at {int} NOT NULL
) {plain};

CREATE INDEX care_opening_account ON care_opening (account, ends_at);

-- What a patient does not want an organisation to see: all (`ty` 0), or one type of resource.
CREATE TABLE care_dissent (
  patient {text} NOT NULL,
  org {text} NOT NULL,
  ty {int} NOT NULL,
  consent {text} NOT NULL,
  starts_at {int} NOT NULL,
  ends_at {int} NOT NULL,
  PRIMARY KEY (patient, org, ty, consent)
) {keyed};

CREATE INDEX care_dissent_org ON care_dissent (org);

-- The privacy officer's list. `state` is one of open, queried, escalated, confirmed, closed.
CREATE TABLE privacy_item (
  number {serial},
  org {text} NOT NULL,
  kind {text} NOT NULL,
  patient {text} NOT NULL,
  account {int} NOT NULL,
  name {text} NOT NULL,
  role {text} NOT NULL,
  code {text} NOT NULL,
  reason {text} NOT NULL,
  at {int} NOT NULL,
  state {text} NOT NULL,
  outcome {text} NOT NULL,
  worked_by {text} NOT NULL,
  worked_at {int}
) {plain};

CREATE INDEX privacy_item_org ON privacy_item (org, state, number);

-- What patients are told of what was done with their record.
CREATE TABLE patient_notice (
  number {serial},
  patient {text} NOT NULL,
  kind {text} NOT NULL,
  who {text} NOT NULL,
  role {text} NOT NULL,
  org {text} NOT NULL,
  reason {text} NOT NULL,
  at {int} NOT NULL
) {plain};

CREATE INDEX patient_notice_patient ON patient_notice (patient, number);
