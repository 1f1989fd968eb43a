-- Bookings in the diary of the organisation's own system (GP Connect), beside their rows in diary_booking.

-- `id` is the Appointment's here, `remote` its id in that system, empty until known. `asked_by` is the person in whose
-- name it is asked. `due_at` is when it is seen to next: asked, cancelled, or looked at again; `tries` how often that came
-- to nothing, and `last_error` why.
CREATE TABLE system_booking (
  id {text} NOT NULL PRIMARY KEY,
  remote {text} NOT NULL,
  asked_by {text} NOT NULL,
  tries {int} NOT NULL,
  due_at {int} NOT NULL,
  last_error {text} NOT NULL
) {plain};

CREATE INDEX system_booking_due ON system_booking (due_at, id);
