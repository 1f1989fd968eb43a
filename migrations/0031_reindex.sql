-- What resources have still to be indexed by: a search parameter of the node's own, or all of R4's
-- after a version of the node that makes more of them. `number` is also the parameter's generation:
-- its index rows stand under a word that ends with it. State: 0 waiting, 1 running, 2 done,
-- 3 refused. `next_type` and `next_rid` are where the work goes on, also after a crash.
CREATE TABLE reindex (
  number {serial},
  name {text} NOT NULL UNIQUE,
  state {int} NOT NULL,
  next_type {int} NOT NULL,
  next_rid {int} NOT NULL,
  done {int} NOT NULL,
  total {int} NOT NULL,
  changed_at {int} NOT NULL,
  problem {text} NOT NULL
) {plain};
