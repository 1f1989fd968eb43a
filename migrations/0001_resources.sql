-- Resources, their history, and the search index.
--
-- `shard` is made from the patient when a row is created and never changes; it stands first in the
-- keys of rows, and belongs to every key, so that PostgreSQL with Citus can spread the rows by it.
-- The keys of the index start with what is searched for and end with the row's `rid` and `shard`.

-- Words that would repeat in every row: resource types, search parameters, token systems.
CREATE TABLE word (
  id {serial},
  text {text} NOT NULL UNIQUE
) {plain};

-- Numbers handed out in blocks.
CREATE TABLE counter (
  name {text} NOT NULL PRIMARY KEY,
  next {int} NOT NULL
) {keyed};

INSERT INTO counter (name, next) VALUES ('rid', 1);

-- Where a resource is: from type and id to shard and row.
CREATE TABLE place (
  ty {int} NOT NULL,
  id {text} NOT NULL,
  shard {int} NOT NULL,
  rid {int} NOT NULL,
  PRIMARY KEY (ty, id)
) {keyed};

-- A resource as it is now. `patients` holds the ids of the patients in whose compartments it is,
-- with a blank between them; `release_at` is when they may see it, null for not yet.
CREATE TABLE res (
  shard {int} NOT NULL,
  rid {int} NOT NULL,
  ty {int} NOT NULL,
  id {text} NOT NULL,
  ver {int} NOT NULL,
  ts {int} NOT NULL,
  del {int} NOT NULL,
  org {text} NOT NULL,
  patients {text} NOT NULL,
  release_at {int},
  PRIMARY KEY (shard, rid)
) {keyed};

CREATE INDEX res_ty ON res (ty, rid);
CREATE INDEX res_ts ON res (ty, ts);

-- Every version, the current one too. `body` is compressed; `splice` is where its version goes;
-- a deletion is a version without a body.
CREATE TABLE ver (
  shard {int} NOT NULL,
  rid {int} NOT NULL,
  ver {int} NOT NULL,
  ts {int} NOT NULL,
  del {int} NOT NULL,
  splice {int} NOT NULL,
  body {bytes} NOT NULL,
  PRIMARY KEY (shard, rid, ver)
) {keyed};

CREATE TABLE compartment (
  patient {text} NOT NULL,
  rid {int} NOT NULL,
  shard {int} NOT NULL,
  PRIMARY KEY (patient, rid, shard)
) {keyed};

CREATE TABLE ix_token (
  param {int} NOT NULL,
  code {text} NOT NULL,
  rid {int} NOT NULL,
  system {int} NOT NULL,
  shard {int} NOT NULL,
  PRIMARY KEY (param, code, rid, system, shard)
) {keyed};

-- `exact` is empty where it is the same as the folded `value`.
CREATE TABLE ix_string (
  param {int} NOT NULL,
  value {text} NOT NULL,
  rid {int} NOT NULL,
  exact {text} NOT NULL,
  shard {int} NOT NULL,
  PRIMARY KEY (param, value, rid, exact, shard)
) {keyed};

-- What is searched for by ranges is also asked of one row at a time, where another condition has
-- found the rows.
CREATE INDEX ix_string_rid ON ix_string (rid, param);

CREATE TABLE ix_reference (
  param {int} NOT NULL,
  target {text} NOT NULL,
  rid {int} NOT NULL,
  shard {int} NOT NULL,
  PRIMARY KEY (param, target, rid, shard)
) {keyed};

-- Times from `low` to before `high`.
CREATE TABLE ix_date (
  param {int} NOT NULL,
  low {int} NOT NULL,
  high {int} NOT NULL,
  rid {int} NOT NULL,
  shard {int} NOT NULL,
  PRIMARY KEY (param, low, high, rid, shard)
) {keyed};

CREATE INDEX ix_date_rid ON ix_date (rid, param);

CREATE TABLE ix_quantity (
  param {int} NOT NULL,
  low {real} NOT NULL,
  high {real} NOT NULL,
  system {int} NOT NULL,
  code {text} NOT NULL,
  rid {int} NOT NULL,
  shard {int} NOT NULL,
  PRIMARY KEY (param, low, high, system, code, rid, shard)
) {keyed};

CREATE INDEX ix_quantity_rid ON ix_quantity (rid, param);

CREATE TABLE ix_uri (
  param {int} NOT NULL,
  value {text} NOT NULL,
  rid {int} NOT NULL,
  shard {int} NOT NULL,
  PRIMARY KEY (param, value, rid, shard)
) {keyed};
