-- The fax bridge: what a fax server took for us, what is to leave by fax, and to which numbers it may.

-- A fax that came in. `key` names it: a digest of the fax server's own id of the call and of the file, so
-- that the same one handed over twice is one. `pages` is 0 where the file cannot be read, and `trouble`
-- then says why: it is kept as it came, for a person to look at. `state` is one of waiting, matched,
-- set-aside. `round` counts how often it was put back after it was matched: the resources of each round
-- have ids of their own. `pid` is the parcel that stands for it in the inbox. `kept` is 1 while its file is
-- here; the row stays, so that faxes can be counted.
CREATE TABLE fax_in (
  number {serial},
  key {text} NOT NULL,
  queue {text} NOT NULL,
  caller {text} NOT NULL,
  station {text} NOT NULL,
  sha256 {text} NOT NULL,
  size {int} NOT NULL,
  pages {int} NOT NULL,
  trouble {text} NOT NULL,
  state {text} NOT NULL,
  received_at {int} NOT NULL,
  state_at {int} NOT NULL,
  who {text} NOT NULL,
  reason {text} NOT NULL,
  round {int} NOT NULL,
  pid {int},
  kept {int} NOT NULL
) {plain};

CREATE UNIQUE INDEX fax_in_key ON fax_in (key);
CREATE INDEX fax_in_state ON fax_in (state, number);
CREATE INDEX fax_in_received ON fax_in (received_at);
CREATE INDEX fax_in_kept ON fax_in (kept, state_at);
CREATE INDEX fax_in_pid ON fax_in (pid);

-- The bytes of a fax's file, in order of `part`.
CREATE TABLE fax_piece (
  shard {int} NOT NULL,
  fax {int} NOT NULL,
  part {int} NOT NULL,
  bytes {bytes} NOT NULL,
  PRIMARY KEY (fax, part, shard)
) {plain};

-- A letter that leaves by fax, beside its parcel `pid`. `state` is one of waiting, handing (it is being
-- handed to the fax server: written before that begins), handed (the fax server has it as `job`), sent,
-- failed, unsure (whether the fax server has it, nobody can know but a person who looks), settled (a person
-- has seen to it, or the letter was taken back). `dialled` is the number as it was when it was handed over,
-- `tag` the name by which a person finds the job on the fax server. `pages_sent` of `pages` were confirmed
-- by the machine at the other end. `work` is 1 while a person should look.
CREATE TABLE fax_out (
  number {serial},
  pid {int} NOT NULL,
  ods {text} NOT NULL,
  dialled {text} NOT NULL,
  state {text} NOT NULL,
  tries {int} NOT NULL,
  next_try {int} NOT NULL,
  made_at {int} NOT NULL,
  state_at {int} NOT NULL,
  holder {text} NOT NULL,
  tag {text} NOT NULL,
  job {text} NOT NULL,
  pages {int} NOT NULL,
  pages_sent {int} NOT NULL,
  work {int} NOT NULL,
  reason {text} NOT NULL,
  next_step {text} NOT NULL
) {plain};

CREATE UNIQUE INDEX fax_out_pid ON fax_out (pid);
CREATE INDEX fax_out_state ON fax_out (state, number);
CREATE INDEX fax_out_job ON fax_out (job);
CREATE INDEX fax_out_made ON fax_out (made_at);
CREATE INDEX fax_out_work ON fax_out (number) WHERE work = 1;

-- A receipt for each page that went out: the machine at the other end has confirmed it.
CREATE TABLE fax_page (
  fax {int} NOT NULL,
  page {int} NOT NULL,
  job {text} NOT NULL,
  confirmed_at {int} NOT NULL,
  PRIMARY KEY (fax, page)
) {keyed};

-- The numbers to which faxes may go, one an organisation. `state` is one of proposed (one person wants it),
-- in-force (another has confirmed it), ending (one person wants it away: nothing is sent there meanwhile).
CREATE TABLE fax_number (
  number {text} NOT NULL PRIMARY KEY,
  ods {text} NOT NULL,
  name {text} NOT NULL,
  state {text} NOT NULL,
  asked_by {int} NOT NULL,
  asked_who {text} NOT NULL,
  asked_at {int} NOT NULL,
  confirmed_who {text} NOT NULL,
  confirmed_at {int} NOT NULL
) {keyed};

CREATE UNIQUE INDEX fax_number_ods ON fax_number (ods);
