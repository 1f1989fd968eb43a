-- Blueprints: ways of working that came as one signed package and were applied here (docs/blueprints.md). What they brought
-- stands where such things always stand; here is what was there before, so that it can be put back.

-- `signer` is the organisation that signed, `known` whether our directory named its key then. `over` is what was applied
-- under that name before, empty for nothing. `state` is one of applied, replaced, undone.
CREATE TABLE blueprint (
  id {text} NOT NULL PRIMARY KEY,
  name {text} NOT NULL,
  version {text} NOT NULL,
  title {text} NOT NULL,
  about {text} NOT NULL,
  digest {text} NOT NULL,
  signer {text} NOT NULL,
  signer_name {text} NOT NULL,
  known {int} NOT NULL,
  over {text} NOT NULL,
  state {text} NOT NULL,
  at {int} NOT NULL,
  by_who {text} NOT NULL,
  undone_at {int} NOT NULL,
  undone_by {text} NOT NULL
) {plain};

CREATE INDEX blueprint_at ON blueprint (at, id);

-- Which of them is in force under its name.
CREATE TABLE blueprint_now (
  name {text} NOT NULL PRIMARY KEY,
  blueprint {text} NOT NULL
) {plain};

-- What one brought: `kind` is one of rule, questionnaire, template, team, mapping; `did` one of added, changed, removed,
-- left, kept. `was` and `is_now` are the thing before and after, empty for nothing.
CREATE TABLE blueprint_part (
  blueprint {text} NOT NULL,
  number {int} NOT NULL,
  kind {text} NOT NULL,
  target {text} NOT NULL,
  title {text} NOT NULL,
  did {text} NOT NULL,
  was {text} NOT NULL,
  is_now {text} NOT NULL,
  PRIMARY KEY (blueprint, number)
) {plain};

-- Files of the mapping's folder that are still to be put in place, or taken away where `body` is empty; `over` is what may
-- lie there, empty for nothing. The row goes when that is done.
CREATE TABLE blueprint_file (
  name {text} NOT NULL PRIMARY KEY,
  body {text} NOT NULL,
  over {text} NOT NULL
) {plain};
