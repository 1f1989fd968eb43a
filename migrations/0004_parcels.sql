-- Parcels: what goes to and comes from other organisations, each step of it, and what is still to do.

-- `direction` is 0 for out, 1 for in; `sender` with `id` names a parcel in the whole network. `text` is
-- the parcel as signed, never rewritten; `digest` is its SHA-256. `due` is 1 while the node itself has
-- something to do: deliver it (out) or take it in (in), `due_since` since when. `unmatched` is 1 while nobody knows whose it
-- is. `tampered` counts copies that came under the same id with another text.
CREATE TABLE parcel (
  shard {int} NOT NULL,
  pid {number},
  owner {text} NOT NULL,
  direction {int} NOT NULL,
  sender {text} NOT NULL,
  recipient {text} NOT NULL,
  id {text} NOT NULL,
  digest {text} NOT NULL,
  text {text} NOT NULL,
  title {text} NOT NULL,
  author {text} NOT NULL,
  urgent {int} NOT NULL,
  marked {int} NOT NULL,
  unique_id {text} NOT NULL,
  replaces {text},
  nhs_number {text},
  birth_date {text},
  family {text} NOT NULL,
  given {text} NOT NULL,
  stored_at {int} NOT NULL,
  state {text} NOT NULL,
  state_at {int} NOT NULL,
  due {int} NOT NULL,
  due_since {int} NOT NULL,
  unmatched {int} NOT NULL,
  reason {text},
  patient {text},
  document {text},
  binaries {text},
  proof {text},
  tampered {int} NOT NULL
  {numbered_by_pid}
) {plain};

CREATE UNIQUE INDEX parcel_id ON parcel (sender, id, shard);
CREATE INDEX parcel_due ON parcel (direction, due, recipient, urgent, pid);
CREATE INDEX parcel_list ON parcel (direction, state, pid);
CREATE INDEX parcel_unmatched ON parcel (unmatched, pid);
CREATE INDEX parcel_unique_id ON parcel (direction, sender, unique_id);
CREATE INDEX parcel_document ON parcel (document);

-- What each parcel holds, main part first.
CREATE TABLE parcel_part (
  shard {int} NOT NULL,
  pid {int} NOT NULL,
  number {int} NOT NULL,
  sha256 {text} NOT NULL,
  size {int} NOT NULL,
  content_type {text} NOT NULL,
  PRIMARY KEY (pid, number, shard)
) {keyed};

CREATE INDEX parcel_part_sha256 ON parcel_part (sha256);

-- Every step, with who took it. `origin` is the organisation where it was taken and `origin_seq` its
-- number there, so that a step that is told twice is kept once. `proof` names the signed statement
-- that told it, where it came from another organisation.
CREATE TABLE parcel_event (
  shard {int} NOT NULL,
  pid {int} NOT NULL,
  seq {int} NOT NULL,
  origin {text} NOT NULL,
  origin_seq {int} NOT NULL,
  event {text} NOT NULL,
  at {int} NOT NULL,
  who {text} NOT NULL,
  role {text} NOT NULL,
  account {int},
  note {text} NOT NULL,
  proof {text},
  PRIMARY KEY (pid, seq, shard)
) {keyed};

CREATE UNIQUE INDEX parcel_event_origin ON parcel_event (pid, origin, origin_seq, shard);

-- Signed statements as they came (JWS), by their SHA-256.
CREATE TABLE parcel_proof (
  shard {int} NOT NULL,
  sha256 {text} NOT NULL,
  jws {text} NOT NULL,
  PRIMARY KEY (sha256, shard)
) {plain};

-- Contents on their way in or out, by who sends them and SHA-256. `held` is how many bytes are here.
CREATE TABLE parcel_content (
  shard {int} NOT NULL,
  sender {text} NOT NULL,
  sha256 {text} NOT NULL,
  size {int} NOT NULL,
  held {int} NOT NULL,
  complete {int} NOT NULL,
  wanted_at {int} NOT NULL,
  PRIMARY KEY (sender, sha256, shard)
) {keyed};

-- Their bytes, in pieces; `start` is the first byte's place in the whole.
CREATE TABLE parcel_piece (
  shard {int} NOT NULL,
  sender {text} NOT NULL,
  sha256 {text} NOT NULL,
  start {int} NOT NULL,
  bytes {bytes} NOT NULL,
  PRIMARY KEY (sender, sha256, start, shard)
) {plain};

-- Steps that another organisation is still to be told.
CREATE TABLE parcel_receipt (
  shard {int} NOT NULL,
  number {number},
  peer {text} NOT NULL,
  pid {int} NOT NULL,
  seq {int} NOT NULL,
  refused {text}
  {numbered_by_number}
) {plain};

CREATE INDEX parcel_receipt_peer ON parcel_receipt (peer, number);

-- What someone who opened a letter must know of it: it was withdrawn or superseded since.
CREATE TABLE parcel_notice (
  shard {int} NOT NULL,
  account {int} NOT NULL,
  pid {int} NOT NULL,
  event {text} NOT NULL,
  at {int} NOT NULL,
  seen_at {int},
  PRIMARY KEY (account, pid, event, shard)
) {keyed};

-- How it goes with each neighbour. `tries` counts failures since the last success.
CREATE TABLE parcel_peer (
  peer {text} NOT NULL PRIMARY KEY,
  tries {int} NOT NULL,
  next_try {int} NOT NULL,
  last_try_at {int},
  last_ok_at {int},
  last_error {text},
  lease {text} NOT NULL,
  lease_until {int} NOT NULL
) {plain};
