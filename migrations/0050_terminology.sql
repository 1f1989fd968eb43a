-- Code systems, value sets and maps. They belong to no patient: with Citus these are reference tables.
--
-- Concepts are numbered so that a concept and all below it are a few ranges of numbers (`ts_range`).
-- What the rows of one `ts_system` hold never changes once its state is `live`; a new release gets
-- rows of its own and takes over in one commit.

-- `kind` is what it was loaded from: snomed, dmd, icd10, loinc, or resource (then `res` is the
-- CodeSystem's id and `org` who holds it). `state` is loading, live or gone. `value_set` is the
-- address of the set of all its codes. `folded` is 1 where upper and lower case are the same.
CREATE TABLE ts_system (
  id {serial},
  kind {text} NOT NULL,
  url {text} NOT NULL,
  version {text} NOT NULL,
  name {text} NOT NULL,
  title {text} NOT NULL,
  content {text} NOT NULL,
  value_set {text} NOT NULL,
  folded {int} NOT NULL,
  state {text} NOT NULL,
  total {int} NOT NULL,
  at {int} NOT NULL,
  org {text},
  res {text}
) {plain};

CREATE INDEX ts_system_url ON ts_system (url, state);
CREATE INDEX ts_system_value_set ON ts_system (value_set, state);
CREATE INDEX ts_system_res ON ts_system (res);

-- `detail` is JSON: definition, designations, properties, the numbers of its parents.
CREATE TABLE ts_concept (
  system {int} NOT NULL,
  num {int} NOT NULL,
  code {text} NOT NULL,
  display {text} NOT NULL,
  detail {text} NOT NULL,
  PRIMARY KEY (system, num)
) {keyed};

CREATE UNIQUE INDEX ts_concept_code ON ts_concept (system, code);

-- A concept and all below it; only where anything is below.
CREATE TABLE ts_range (
  system {int} NOT NULL,
  num {int} NOT NULL,
  ranges {bytes} NOT NULL,
  PRIMARY KEY (system, num)
) {keyed};

-- Which concepts have something: by `kind` a word of a name (1), a property's value (2), membership
-- of a reference set (3), a code in small letters (4), being inactive (5).
CREATE TABLE ts_posting (
  system {int} NOT NULL,
  kind {int} NOT NULL,
  key {text} NOT NULL,
  nums {bytes} NOT NULL,
  PRIMARY KEY (system, kind, key)
) {keyed};

-- A byte a concept: the length of its display. Parts of 65,536.
CREATE TABLE ts_length (
  system {int} NOT NULL,
  part {int} NOT NULL,
  bytes {bytes} NOT NULL,
  PRIMARY KEY (system, part)
) {keyed};

-- `body` is the ValueSet resource.
CREATE TABLE ts_value_set (
  id {serial},
  url {text} NOT NULL,
  version {text} NOT NULL,
  body {bytes} NOT NULL,
  at {int} NOT NULL,
  org {text},
  res {text}
) {plain};

CREATE INDEX ts_value_set_url ON ts_value_set (url);
CREATE INDEX ts_value_set_res ON ts_value_set (res);

-- A map that a release brought names its `system`; one of a ConceptMap resource its `res`.
CREATE TABLE ts_map (
  id {serial},
  url {text} NOT NULL,
  version {text} NOT NULL,
  source {text} NOT NULL,
  target {text} NOT NULL,
  unmapped {text} NOT NULL,
  system {int},
  org {text},
  res {text}
) {plain};

CREATE INDEX ts_map_url ON ts_map (url);
CREATE INDEX ts_map_res ON ts_map (res);
CREATE INDEX ts_map_system ON ts_map (system);

CREATE TABLE ts_mapping (
  map {int} NOT NULL,
  source_code {text} NOT NULL,
  seq {int} NOT NULL,
  source_system {text} NOT NULL,
  target_system {text} NOT NULL,
  target_code {text} NOT NULL,
  target_display {text} NOT NULL,
  equivalence {text} NOT NULL,
  comment {text} NOT NULL,
  PRIMARY KEY (map, source_code, seq)
) {keyed};

CREATE INDEX ts_mapping_source ON ts_mapping (source_code, map);
CREATE INDEX ts_mapping_target ON ts_mapping (target_code, map);

-- Counts changes of all this, so that what was answered before can be remembered for as long.
INSERT INTO counter (name, next) VALUES ('terminology', 1);
