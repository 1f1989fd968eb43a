-- What patients and their practice write to each other, what patients ask about their record, the words in which the
-- record is explained to them, and what they took out of it.

-- One conversation. `patient` is the Patient here. `unread_here` counts what the patient wrote and nobody at the practice
-- has opened, `waiting_since` is the time of the first of these, or 0; `unread_patient` counts what the patient has not
-- opened.
CREATE TABLE message_thread (
  id {text} NOT NULL PRIMARY KEY,
  patient {text} NOT NULL,
  subject {text} NOT NULL,
  begun_at {int} NOT NULL,
  last_at {int} NOT NULL,
  posts {int} NOT NULL,
  unread_here {int} NOT NULL,
  waiting_since {int} NOT NULL,
  unread_patient {int} NOT NULL
) {plain};

CREATE INDEX message_thread_patient ON message_thread (patient, last_at);
CREATE INDEX message_thread_waiting ON message_thread (waiting_since, last_at);

-- What was written, in order. `opened_at` is when the other side first opened it, or 0.
CREATE TABLE message_post (
  thread {text} NOT NULL,
  number {int} NOT NULL,
  by_patient {int} NOT NULL,
  who {text} NOT NULL,
  role {text} NOT NULL,
  at {int} NOT NULL,
  text {text} NOT NULL,
  opened_at {int} NOT NULL,
  PRIMARY KEY (thread, number)
) {plain};

-- A patient's question about an entry of their record (`kind` entry) or about who looked (`kind` look). `way` is here (asked
-- and answered here), out (asked here, answered by `other`) or in (asked at `other`, answered here). `asked_as` is its id at
-- who asks. `subject` is the entry as Type/id at who answers, or the number of a line of the log. `state` is one of waiting,
-- opened, answered, unknown. Times are 0 for not yet. `parcel` is the id of this side's last parcel. `version` grows with
-- each change.
CREATE TABLE record_question (
  id {text} NOT NULL PRIMARY KEY,
  way {text} NOT NULL,
  kind {text} NOT NULL,
  other {text} NOT NULL,
  asked_as {text} NOT NULL,
  patient {text} NOT NULL,
  subject {text} NOT NULL,
  title {text} NOT NULL,
  question {text} NOT NULL,
  asked_by {text} NOT NULL,
  asked_at {int} NOT NULL,
  state {text} NOT NULL,
  opened_at {int} NOT NULL,
  answer {text} NOT NULL,
  answered_by {text} NOT NULL,
  answered_role {text} NOT NULL,
  answered_at {int} NOT NULL,
  read_at {int} NOT NULL,
  parcel {text} NOT NULL,
  version {int} NOT NULL
) {plain};

CREATE INDEX record_question_patient ON record_question (patient, asked_at);
CREATE INDEX record_question_list ON record_question (kind, state, asked_at);

-- Plain words for a clinical term, in both languages. `term` is the term in folded letters, or `system|code`. Empty words
-- take a term of the built-in list out.
CREATE TABLE glossary (
  term {text} NOT NULL PRIMARY KEY,
  english {text} NOT NULL,
  welsh {text} NOT NULL,
  by_whom {text} NOT NULL,
  at {int} NOT NULL
) {plain};

-- What a patient took out of their record, and when.
CREATE TABLE taken_out (
  id {text} NOT NULL PRIMARY KEY,
  patient {text} NOT NULL,
  kind {text} NOT NULL,
  at {int} NOT NULL
) {plain};

CREATE INDEX taken_out_patient ON taken_out (patient, at);
