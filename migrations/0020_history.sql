-- The history of a type and of the whole node runs backwards in time over all versions.
CREATE INDEX ver_ts ON ver (ts, rid, ver);
