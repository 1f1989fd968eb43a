-- Rules on events. What a rule says is a PlanDefinition; here stands which of them a person has switched on, in which version, and
-- what each did.

-- `version` is that of the PlanDefinition which is in force; a newer one is not until a person switches it on. `state` is on or off.
CREATE TABLE rule_switch (
  rule {text} NOT NULL PRIMARY KEY,
  version {int} NOT NULL,
  title {text} NOT NULL,
  state {text} NOT NULL,
  at {int} NOT NULL,
  account {int} NOT NULL,
  who {text} NOT NULL
) {plain};

-- On which events each rule that is on is told. `swept` is the first millisecond of the day (UTC) up to which overdue tasks are noted.
CREATE TABLE rule_trigger (
  event {text} NOT NULL,
  rule {text} NOT NULL,
  swept {int} NOT NULL,
  PRIMARY KEY (event, rule)
) {keyed};

-- What happened and is still to be judged by one rule. `key` names it for ever: what is done once for a key is not done again. `reason`
-- is why it stands on the work list; null while it is due.
CREATE TABLE rule_event (
  seq {serial},
  rule {text} NOT NULL,
  event {text} NOT NULL,
  key {text} NOT NULL,
  resource {text} NOT NULL,
  pid {int} NOT NULL,
  at {int} NOT NULL,
  tries {int} NOT NULL,
  next_try {int} NOT NULL,
  reason {text},
  UNIQUE (rule, key)
) {plain};

CREATE INDEX rule_event_due ON rule_event (next_try, seq) WHERE reason IS NULL;

-- What a rule did, once for each step and key. `state` is done, left (it would have, but must not: `note` says why) or undone. Of a letter
-- that was filed: until when that is undone, the number of the step in its journey, and when the patient would have read it otherwise.
CREATE TABLE rule_act (
  number {serial},
  rule {text} NOT NULL,
  version {int} NOT NULL,
  title {text} NOT NULL,
  key {text} NOT NULL,
  step {int} NOT NULL,
  kind {text} NOT NULL,
  patient {text} NOT NULL,
  pid {int} NOT NULL,
  task {text} NOT NULL,
  at {int} NOT NULL,
  until {int} NOT NULL,
  seq {int} NOT NULL,
  release_at {int},
  state {text} NOT NULL,
  note {text} NOT NULL,
  ended_at {int} NOT NULL,
  ended_by {text} NOT NULL,
  UNIQUE (rule, key, step)
) {plain};

CREATE INDEX rule_act_rule ON rule_act (rule, at);
CREATE INDEX rule_act_pid ON rule_act (pid);
CREATE INDEX rule_act_task ON rule_act (task);
