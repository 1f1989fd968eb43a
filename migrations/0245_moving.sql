-- Patients who move from one practice to another (decision 0245).

-- `id` names the move at both practices. `inward` is 1 at the practice that the patient comes to, 0 at the one that they
-- leave. `other` is the practice at the other end (its ODS code). `state` is one of noticed, asked, arriving, done, refused,
-- nowhere (inward) and claimed, given, objected (outward). `registered_at` is when the patient registered at the new
-- practice. `hops` counts how often the question was sent on to a further practice. `parts` is how many pieces of the record
-- come, -1 while nobody has said. `facts` (JSON) is what was said to people of what came or went. `proof` are the signed
-- words of the practices that were left, one a line, the oldest first.
CREATE TABLE patient_move (
  id {text} NOT NULL PRIMARY KEY,
  inward {int} NOT NULL,
  patient {text} NOT NULL,
  other {text} NOT NULL,
  state {text} NOT NULL,
  registered_at {int} NOT NULL,
  state_at {int} NOT NULL,
  reason {text} NOT NULL,
  hops {int} NOT NULL,
  parts {int} NOT NULL,
  facts {text} NOT NULL,
  proof {text} NOT NULL
) {plain};

CREATE INDEX patient_move_patient ON patient_move (patient, inward, state);
CREATE INDEX patient_move_list ON patient_move (inward, state, state_at, id);

-- Pieces of a record that have come.
CREATE TABLE patient_move_part (
  id {text} NOT NULL,
  part {int} NOT NULL,
  PRIMARY KEY (id, part)
) {plain};

-- Who held something about a patient, or was told what they want shared, as the practice said that they left.
CREATE TABLE patient_move_holder (
  patient {text} NOT NULL,
  holder {text} NOT NULL,
  PRIMARY KEY (patient, holder)
) {plain};
