-- Patients whose whereabouts are kept (P13): flagged on their own Patient here (`own`), or by what
-- their home practice told (`home`, its ODS code). `places` are the words that are masked, one a line.
-- `swept` is the last row of the patient's compartment that was seen to since something changed; none
-- once all of them were.
CREATE TABLE restricted (
  patient {text} NOT NULL PRIMARY KEY,
  own {int} NOT NULL,
  home {text} NOT NULL,
  since {int} NOT NULL,
  places {text} NOT NULL,
  swept {int}
) {plain};

CREATE INDEX restricted_due ON restricted (patient) WHERE swept IS NOT NULL;

-- What versions said before that was taken out of them, for those to whom it is released.
CREATE TABLE whereabouts (
  shard {int} NOT NULL,
  rid {int} NOT NULL,
  ver {int} NOT NULL,
  body {bytes} NOT NULL,
  PRIMARY KEY (shard, rid, ver)
) {plain};
