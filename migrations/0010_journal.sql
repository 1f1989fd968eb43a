-- How far the node's journal (a file beside a SQLite database) has been moved into these tables: the
-- number of the last batch that is here. PostgreSQL keeps no journal, and the row stays as it is.
CREATE TABLE journal (
  name {text} NOT NULL PRIMARY KEY,
  moved {int} NOT NULL
) {keyed};

INSERT INTO journal (name, moved) VALUES ('node', 0);
