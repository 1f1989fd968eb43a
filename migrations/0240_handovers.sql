-- Ambulance crews' handovers to an emergency department. What was said is in the steps, each the whole sheet as it was then;
-- here is what the board needs to order and to count.

-- `id` is the Encounter's here. `inward` is 1 for what came in, 0 for what a crew here sent. `other` is the organisation at the
-- other end (ODS code), `asked_as` the handover's id at the crew. `patient` is the Patient here; empty while nobody knows whose
-- it is. `state` is one of coming, arrived, begun, received, withdrawn. `pre_alert` is 1 for a pre-alert; `weight` orders
-- (decision 240). `due_at`, `arrived_at`, `begun_at`, `ended_at` are times, 0 for none; `begun_by` and `ended_by` name people.
-- `crew_told` is the number of the crew's newest step, `dept_told` of the department's. `pid` is the parcel that receipts are
-- given for (inward). `letter` is empty until the practice is written to, then the parcel's id, or why there is none.
-- `news` is 1 if something came of it that nobody here has looked at. `version` grows with each change.
CREATE TABLE crew_handover (
  id {text} NOT NULL PRIMARY KEY,
  inward {int} NOT NULL,
  other {text} NOT NULL,
  asked_as {text} NOT NULL,
  patient {text} NOT NULL,
  state {text} NOT NULL,
  pre_alert {int} NOT NULL,
  weight {int} NOT NULL,
  made_at {int} NOT NULL,
  due_at {int} NOT NULL,
  arrived_at {int} NOT NULL,
  begun_at {int} NOT NULL,
  begun_by {text} NOT NULL,
  ended_at {int} NOT NULL,
  ended_by {text} NOT NULL,
  crew_told {int} NOT NULL,
  dept_told {int} NOT NULL,
  pid {int} NOT NULL,
  letter {text} NOT NULL,
  news {int} NOT NULL,
  version {int} NOT NULL
) {plain};

CREATE INDEX crew_handover_board ON crew_handover (inward, state, ended_at, id);
CREATE INDEX crew_handover_patient ON crew_handover (patient);

-- Every step that was said: `side` is 0 for the crew's, 1 for the department's; `text` is the step as it was sent.
CREATE TABLE crew_handover_step (
  handover {text} NOT NULL,
  side {int} NOT NULL,
  number {int} NOT NULL,
  said_at {int} NOT NULL,
  came_at {int} NOT NULL,
  text {text} NOT NULL,
  PRIMARY KEY (handover, side, number)
) {plain};
