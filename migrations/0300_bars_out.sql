-- Messages of the Booking and Referral Standard (BaRS) that leave: a referral by it, its changes, and decisions about one that
-- came by it.

-- `id` is the Bundle's id at every try; `step` is the number of this side's step. `state` is one of waiting, sent (200, or 409
-- duplicate: the receiver has it), undeliverable. `next_try` is also until when one that is being sent is left to who sends it.
CREATE TABLE bars_out (
  id {text} NOT NULL PRIMARY KEY,
  referral {text} NOT NULL,
  step {int} NOT NULL,
  other {text} NOT NULL,
  patient {text} NOT NULL,
  event {text} NOT NULL,
  body {text} NOT NULL,
  request_id {text} NOT NULL,
  correlation_id {text} NOT NULL,
  state {text} NOT NULL,
  tries {int} NOT NULL,
  next_try {int} NOT NULL,
  made_at {int} NOT NULL,
  state_at {int} NOT NULL,
  reason {text} NOT NULL
) {plain};

CREATE INDEX bars_out_due ON bars_out (state, next_try);
CREATE INDEX bars_out_referral ON bars_out (referral, step);
