-- Mailboxes of local systems: what they sent, what came for them, and the tokens that they showed.

-- One message. `id` is its name for whoever sends and whoever fetches it. `sender` is empty for a report,
-- which the node makes itself (`kind` REPORT, else DATA). `envelope` is what else is written on it (JSON).
-- `encoding` is gzip or empty, for all chunks. `first_sha256` is that of the first chunk, unpacked: with
-- `local_id` it tells a message that is sent again. `way` says where it goes or came from: here (from one
-- mailbox of this node to another), member (to `organisation`, in parcels), mesh (out by the national
-- service), arrived (from `organisation`, in parcels). `state` is one of uploading, accepted, acknowledged,
-- undeliverable. `handed` counts the parts that were handed over. `outside` is the national service's id.
-- `kept` is 1 while its content is here.
CREATE TABLE mesh_message (
  number {serial},
  id {text} NOT NULL,
  sender {text} NOT NULL,
  recipient {text} NOT NULL,
  local_id {text} NOT NULL,
  workflow {text} NOT NULL,
  kind {text} NOT NULL,
  envelope {text} NOT NULL,
  encoding {text} NOT NULL,
  chunks {int} NOT NULL,
  parts {int} NOT NULL,
  first_sha256 {text} NOT NULL,
  way {text} NOT NULL,
  organisation {text} NOT NULL,
  state {text} NOT NULL,
  begun_at {int} NOT NULL,
  accepted_at {int} NOT NULL,
  fetched_at {int} NOT NULL,
  state_at {int} NOT NULL,
  handed {int} NOT NULL,
  outside {text} NOT NULL,
  linked {text} NOT NULL,
  status_code {text} NOT NULL,
  reason {text} NOT NULL,
  kept {int} NOT NULL
) {plain};

CREATE UNIQUE INDEX mesh_message_id ON mesh_message (id);
CREATE INDEX mesh_message_inbox ON mesh_message (recipient, state, number);
CREATE INDEX mesh_message_sent ON mesh_message (sender, local_id, number);
CREATE INDEX mesh_message_due ON mesh_message (state, way, accepted_at);
CREATE INDEX mesh_message_kept ON mesh_message (kept, accepted_at);

-- The chunks of a message. `size` counts the bytes as they came, `plain` those of the content.
CREATE TABLE mesh_chunk (
  message {int} NOT NULL,
  chunk {int} NOT NULL,
  upload {text} NOT NULL,
  size {int} NOT NULL,
  plain {int} NOT NULL,
  PRIMARY KEY (message, chunk)
) {keyed};

-- The bytes of a chunk, in order of `part`.
CREATE TABLE mesh_piece (
  shard {int} NOT NULL,
  upload {text} NOT NULL,
  part {int} NOT NULL,
  bytes {bytes} NOT NULL,
  PRIMARY KEY (upload, part, shard)
) {plain};

-- Bytes that belong to no chunk yet, and are dropped if they never do.
CREATE TABLE mesh_upload (
  upload {text} NOT NULL PRIMARY KEY,
  begun_at {int} NOT NULL
) {keyed};

-- Parts of a message that came from another node.
CREATE TABLE mesh_part (
  message {int} NOT NULL,
  part {int} NOT NULL,
  chunk {int} NOT NULL,
  size {int} NOT NULL,
  plain {int} NOT NULL,
  PRIMARY KEY (message, part)
) {keyed};

-- Tokens that have served. After `until` they are too old to be shown again.
CREATE TABLE mesh_token (
  mailbox {text} NOT NULL,
  token {text} NOT NULL,
  until {int} NOT NULL,
  PRIMARY KEY (mailbox, token)
) {keyed};

CREATE INDEX mesh_token_until ON mesh_token (until);
