-- Who was asked to answer a questionnaire, as the Task of the same id says. `status` is the Task's; `due` is the first millisecond
-- of a day (0 for none); `seen_at` is when somebody of the staff said that they have read the answers (0 for nobody yet).
CREATE TABLE form_ask (
  task {text} NOT NULL PRIMARY KEY,
  patient {text} NOT NULL,
  canonical {text} NOT NULL,
  by_patient {int} NOT NULL,
  status {text} NOT NULL,
  asked_at {int} NOT NULL,
  due {int} NOT NULL,
  response {text} NOT NULL,
  answered_at {int} NOT NULL,
  seen_at {int} NOT NULL,
  seen_by {text} NOT NULL
) {plain};

CREATE INDEX form_ask_status ON form_ask (status, due, task);
CREATE INDEX form_ask_patient ON form_ask (patient, asked_at);
CREATE INDEX form_ask_response ON form_ask (response);

-- Answers that nobody has read.
CREATE INDEX form_ask_unseen ON form_ask (answered_at, task) WHERE status = 'completed' AND seen_at = 0;

-- Answers that somebody has begun and not handed in: each person's own. `body` is JSON.
CREATE TABLE form_draft (
  task {text} NOT NULL,
  account {int} NOT NULL,
  body {text} NOT NULL,
  changed_at {int} NOT NULL,
  PRIMARY KEY (task, account)
) {plain};
