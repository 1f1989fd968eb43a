-- Bulk export and import: jobs that outlive the process.

-- `request` is what was asked, as the door wrote it; `cursor` is how far the work has come: each
-- step's rows and the new cursor are one transaction, so that a step is done once. `state` is one of
-- receiving, accepted, done, failed.
CREATE TABLE bulk_job (
  id {text} NOT NULL PRIMARY KEY,
  kind {text} NOT NULL,
  account {int} NOT NULL,
  request {text} NOT NULL,
  state {text} NOT NULL,
  cursor {text} NOT NULL,
  done {int} NOT NULL,
  refused {int} NOT NULL,
  reason {text},
  started_at {int} NOT NULL,
  changed_at {int} NOT NULL,
  expires_at {int} NOT NULL
) {plain};

CREATE INDEX bulk_job_account ON bulk_job (account, state);
CREATE INDEX bulk_job_state ON bulk_job (state, expires_at);

-- What an export found: not the resources but which versions of them, since versions never change.
CREATE TABLE bulk_part (
  job {text} NOT NULL,
  number {int} NOT NULL,
  ty {text} NOT NULL,
  rows {int} NOT NULL,
  keys {bytes} NOT NULL,
  PRIMARY KEY (job, number, ty)
) {keyed};

-- The lines that an import was sent, compressed, cut between lines.
CREATE TABLE bulk_chunk (
  job {text} NOT NULL,
  number {int} NOT NULL,
  first_line {int} NOT NULL,
  body {bytes} NOT NULL,
  PRIMARY KEY (job, number)
) {plain};

-- The lines that an import could not take in, as they came, and why.
CREATE TABLE bulk_line (
  job {text} NOT NULL,
  line {int} NOT NULL,
  reason {text} NOT NULL,
  body {bytes} NOT NULL,
  PRIMARY KEY (job, line)
) {plain};
