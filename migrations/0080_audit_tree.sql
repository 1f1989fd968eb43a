-- The Merkle tree over the audit log, derived from its lines in the order of `seq` by a worker.

-- SHA-256 of the body that a change stored, in the line about the change. Lines from before this have
-- none.
ALTER TABLE audit ADD COLUMN digest {bytes};

-- How far the tree is: so many leaves, the last of them line `last_seq`.
CREATE TABLE audit_tree (
  name {text} NOT NULL PRIMARY KEY,
  size {int} NOT NULL,
  last_seq {int} NOT NULL
) {keyed};

INSERT INTO audit_tree (name, size, last_seq) VALUES ('node', 0, 0);

-- Up to 256 hashes of a level, as https://c2sp.org/tlog-tiles lays them out: of leaves on level 0, of
-- full tiles of the level below on the others.
CREATE TABLE audit_tile (
  level {int} NOT NULL,
  number {int} NOT NULL,
  hashes {bytes} NOT NULL,
  PRIMARY KEY (level, number)
) {plain};

-- The node's own signed checkpoints.
CREATE TABLE audit_checkpoint (
  size {int} NOT NULL PRIMARY KEY,
  at {int} NOT NULL,
  last_seq {int} NOT NULL,
  root {bytes} NOT NULL,
  note {text} NOT NULL
) {plain};

-- What neighbours signed under them.
CREATE TABLE audit_cosignature (
  size {int} NOT NULL,
  witness {text} NOT NULL,
  at {int} NOT NULL,
  line {text} NOT NULL,
  PRIMARY KEY (size, witness)
) {plain};

-- Neighbours' checkpoints that this node cosigned, `note` with its own signature under it.
CREATE TABLE audit_witnessed (
  origin {text} NOT NULL,
  size {int} NOT NULL,
  at {int} NOT NULL,
  root {bytes} NOT NULL,
  note {text} NOT NULL,
  PRIMARY KEY (origin, size)
) {plain};

-- What a person must know of: this node's or a neighbour's log shows a shorter or another past.
CREATE TABLE audit_alarm (
  kind {text} NOT NULL,
  about {text} NOT NULL,
  first_at {int} NOT NULL,
  last_at {int} NOT NULL,
  what {text} NOT NULL,
  PRIMARY KEY (kind, about)
) {plain};
