-- ITK3 documents over MESH: letters that leave so, what came, and the responses that go back.

-- A letter that leaves as an ITK3 document, beside its parcel `pid`. `bundle` and `header` name the message: a response
-- names `header`, and one that is sent again has the same names, so that its receiver can tell. `replaced` is the bundle
-- of the letter that this one replaces. `mailbox` is whom it is for; empty where MESH is to find the patient's practice.
-- `state` is one of waiting, handing (it is being handed to MESH under `local_id`: written before that begins), handed
-- (MESH has it as `outside`), received (infrastructure response 20013), accepted (business response 30001), refused (a
-- negative response), failed (MESH did not take or deliver it), unsure (whether MESH has it, nobody can know but a person
-- who looks), settled (a person has seen to it, or the letter was taken back). `infrastructure` and `business` are the
-- codes that came, `answered_by` the mailbox that they came from. `work` is 1 while a person should look.
CREATE TABLE itk3_out (
  number {serial},
  pid {int} NOT NULL,
  ods {text} NOT NULL,
  mailbox {text} NOT NULL,
  workflow {text} NOT NULL,
  bundle {text} NOT NULL,
  header {text} NOT NULL,
  replaced {text} NOT NULL,
  state {text} NOT NULL,
  tries {int} NOT NULL,
  next_try {int} NOT NULL,
  made_at {int} NOT NULL,
  state_at {int} NOT NULL,
  holder {text} NOT NULL,
  local_id {text} NOT NULL,
  outside {text} NOT NULL,
  infrastructure {text} NOT NULL,
  business {text} NOT NULL,
  answered_by {text} NOT NULL,
  work {int} NOT NULL,
  reason {text} NOT NULL,
  next_step {text} NOT NULL
) {plain};

CREATE UNIQUE INDEX itk3_out_pid ON itk3_out (pid);
CREATE UNIQUE INDEX itk3_out_header ON itk3_out (header);
CREATE INDEX itk3_out_state ON itk3_out (state, number);
CREATE INDEX itk3_out_local ON itk3_out (local_id);
CREATE INDEX itk3_out_outside ON itk3_out (outside);
CREATE INDEX itk3_out_work ON itk3_out (number) WHERE work = 1;

-- A message that came. `key` names it: a digest of the mailbox it came from and of its Bundle's identifier, or of MESH's
-- id where it has none that reads (`recipient` is the mailbox as its sender wrote it, and may name a patient); so that the same one sent twice is one. `bundle`, `document`, `header` and `reference`
-- are its own names. `state` is one of taken (it became the parcel `pid`), refused (`trouble` says why: it is kept as it
-- came, for a person), stray (a response to nothing that was sent from here), settled. `code` is the infrastructure code
-- that it was answered with. `copies` counts how often it came again, `kept` is 1 while its bytes are here.
CREATE TABLE itk3_in (
  number {serial},
  key {text} NOT NULL,
  outside {text} NOT NULL,
  mailbox {text} NOT NULL,
  workflow {text} NOT NULL,
  subject {text} NOT NULL,
  recipient {text} NOT NULL,
  bundle {text} NOT NULL,
  document {text} NOT NULL,
  header {text} NOT NULL,
  reference {text} NOT NULL,
  sha256 {text} NOT NULL,
  size {int} NOT NULL,
  state {text} NOT NULL,
  code {text} NOT NULL,
  trouble {text} NOT NULL,
  wants_infrastructure {int} NOT NULL,
  wants_business {int} NOT NULL,
  pid {int},
  copies {int} NOT NULL,
  received_at {int} NOT NULL,
  state_at {int} NOT NULL,
  who {text} NOT NULL,
  work {int} NOT NULL,
  kept {int} NOT NULL
) {plain};

CREATE UNIQUE INDEX itk3_in_key ON itk3_in (key);
CREATE INDEX itk3_in_outside ON itk3_in (outside);
CREATE INDEX itk3_in_pid ON itk3_in (pid);
CREATE INDEX itk3_in_document ON itk3_in (document);
CREATE INDEX itk3_in_kept ON itk3_in (kept, state_at);
CREATE INDEX itk3_in_work ON itk3_in (number) WHERE work = 1;

-- The bytes of a message that came, in order of `part`.
CREATE TABLE itk3_piece (
  shard {int} NOT NULL,
  message {int} NOT NULL,
  part {int} NOT NULL,
  bytes {bytes} NOT NULL,
  PRIMARY KEY (message, part, shard)
) {plain};

-- A response that goes back to what came as `message`. `state` is one of waiting, sent, failed, settled. `name` is the
-- name of its Bundle and of it at MESH, by which a try that may have got there is found.
CREATE TABLE itk3_answer (
  number {serial},
  message {int} NOT NULL,
  code {text} NOT NULL,
  diagnostics {text} NOT NULL,
  name {text} NOT NULL,
  state {text} NOT NULL,
  tries {int} NOT NULL,
  next_try {int} NOT NULL,
  made_at {int} NOT NULL,
  state_at {int} NOT NULL,
  outside {text} NOT NULL,
  work {int} NOT NULL,
  reason {text} NOT NULL
) {plain};

CREATE INDEX itk3_answer_state ON itk3_answer (state, next_try, number);
CREATE INDEX itk3_answer_message ON itk3_answer (message);
CREATE INDEX itk3_answer_outside ON itk3_answer (outside);
CREATE INDEX itk3_answer_work ON itk3_answer (number) WHERE work = 1;
