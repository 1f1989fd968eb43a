-- Requests for medicines that the organisation's own system holds (Patient Facing Prescriptions), beside their Tasks.

-- `id` is the Task's here, `remote` its id in that system, empty until known. `nhs_number` and `asked_by` say in whose name
-- it is asked. `due_at` is when it is seen to next: asked for, or looked at again; `tries` how often that came to nothing, and
-- `last_error` why.
CREATE TABLE order_there (
  id {text} NOT NULL PRIMARY KEY,
  nhs_number {text} NOT NULL,
  asked_by {text} NOT NULL,
  remote {text} NOT NULL,
  tries {int} NOT NULL,
  due_at {int} NOT NULL,
  last_error {text} NOT NULL
) {plain};

CREATE INDEX order_there_due ON order_there (due_at, id);
