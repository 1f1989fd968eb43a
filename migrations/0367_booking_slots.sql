-- The slots that an appointment takes beside its first, which stands in its booking: adjacent ones, of one schedule.
CREATE TABLE diary_booking_slot (
  slot {text} NOT NULL PRIMARY KEY,
  booking {text} NOT NULL
) {plain};

CREATE INDEX diary_booking_slot_booking ON diary_booking_slot (booking);
