-- The slots that an appointment takes beside its first, which stands in its booking: adjacent ones, of one schedule.
CREATE TABLE diary_further_slot (
  slot {text} NOT NULL PRIMARY KEY,
  booking {text} NOT NULL
) {plain};

CREATE INDEX diary_further_slot_booking ON diary_further_slot (booking);
