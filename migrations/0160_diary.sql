-- The diary: which appointments are free, and who asked for which.

-- What each Slot in the store says, kept with it. `status` is FHIR's. `audience` is who may take it: 0 staff
-- here, 1 patients of this organisation too, 2 other organisations of the network too.
CREATE TABLE diary_slot (
  id {text} NOT NULL PRIMARY KEY,
  schedule {text} NOT NULL,
  status {text} NOT NULL,
  starts_at {int} NOT NULL,
  ends_at {int} NOT NULL,
  kind {text} NOT NULL,
  held_by {text} NOT NULL,
  audience {int} NOT NULL
) {plain};

CREATE INDEX diary_slot_free ON diary_slot (status, starts_at, id);
CREATE INDEX diary_slot_day ON diary_slot (starts_at, id);

-- Who asked for which. `id` is the Appointment's here. `holder` is whose diary it is, `asker` who asked for it
-- (ODS codes), under the id `asked_as` there. `state` is one of asked, booked, taken, refused, cancelling,
-- cancelled. `parcel` is the id of the parcel that asked last, at its sender; empty within one organisation.
-- `instead_of` is the Appointment here in whose place this one is to come. `next` is what was free instead (JSON).
CREATE TABLE diary_booking (
  id {text} NOT NULL PRIMARY KEY,
  patient {text} NOT NULL,
  holder {text} NOT NULL,
  asker {text} NOT NULL,
  asked_as {text} NOT NULL,
  slot {text} NOT NULL,
  starts_at {int} NOT NULL,
  state {text} NOT NULL,
  asked_at {int} NOT NULL,
  state_at {int} NOT NULL,
  parcel {text} NOT NULL,
  instead_of {text} NOT NULL,
  reason {text} NOT NULL,
  next {text} NOT NULL
) {plain};

CREATE INDEX diary_booking_slot ON diary_booking (slot, state);
CREATE INDEX diary_booking_state ON diary_booking (state, state_at);
CREATE INDEX diary_booking_patient ON diary_booking (patient);
