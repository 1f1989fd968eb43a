-- The rest of search: values that belong together, and references asked of the row that has them.

-- Two or three values of one element. A token has its code and system; a string, a reference's
-- target or a unit stands as text; dates and numbers have their bounds. The first is a token or a
-- reference, the third a number.
CREATE TABLE ix_composite (
  param {int} NOT NULL,
  text {text} NOT NULL,
  rid {int} NOT NULL,
  system {int} NOT NULL,
  text2 {text} NOT NULL,
  system2 {int} NOT NULL,
  low2 {real} NOT NULL,
  high2 {real} NOT NULL,
  low3 {real} NOT NULL,
  high3 {real} NOT NULL,
  shard {int} NOT NULL,
  PRIMARY KEY (param, text, rid, system, text2, system2, low2, high2, low3, high3, shard)
) {keyed};

-- Where chains go on from rows that another condition has found.
CREATE INDEX ix_reference_rid ON ix_reference (rid, param);
