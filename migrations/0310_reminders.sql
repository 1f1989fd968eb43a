-- When the patient was reminded of what they have not answered by its day, once, and when they, or who acts for them, opened it after
-- that (0 for not yet).
ALTER TABLE form_ask ADD COLUMN reminded_at {int} NOT NULL DEFAULT 0;
ALTER TABLE form_ask ADD COLUMN reminder_opened_at {int} NOT NULL DEFAULT 0;

CREATE INDEX form_ask_remind ON form_ask (due, task) WHERE reminded_at = 0 AND due > 0;
