-- Letters sent from here that came back, until somebody has seen to them: `seen_at` is 0 until then.
CREATE TABLE parcel_back (
  pid {int} NOT NULL PRIMARY KEY,
  at {int} NOT NULL,
  seen_at {int} NOT NULL,
  seen_by {text} NOT NULL
) {plain};

CREATE INDEX parcel_back_open ON parcel_back (at, pid) WHERE seen_at = 0;

INSERT INTO parcel_back (pid, at, seen_at, seen_by)
  SELECT pid, state_at, 0, '' FROM parcel WHERE direction = 0 AND state = 'returned' AND kind = 'letter';

-- What is counted on each of the staff's pages is found without looking through what waits by itself.
CREATE INDEX parcel_receipt_refused ON parcel_receipt (pid) WHERE refused IS NOT NULL;
CREATE INDEX rule_event_stuck ON rule_event (seq) WHERE reason IS NOT NULL;
