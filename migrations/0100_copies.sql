-- The last object of the copies that is where it should be (`handover backup`).
CREATE TABLE copy_head (
  name {text} NOT NULL PRIMARY KEY,
  chain {text} NOT NULL,
  sequence {int} NOT NULL,
  digest {text} NOT NULL,
  taken_at {int} NOT NULL
) {keyed};
