-- What staff need when everything is off (docs/downtime.md).

-- Packs that were written, the newest of each folder overwriting the one before. `made_by` is the node or who asked,
-- `patients` how many people are in it, `left_out` what is not, in words.
CREATE TABLE downtime_pack (
  id {text} NOT NULL PRIMARY KEY,
  made_at {int} NOT NULL,
  made_by {text} NOT NULL,
  patients {int} NOT NULL,
  left_out {text} NOT NULL
) {plain};

CREATE INDEX downtime_pack_made ON downtime_pack (made_at, id);

-- What people did with packs: `kind` is one of printed, opened, destroyed; `pack` is when the pack says it was made.
CREATE TABLE downtime_event (
  number {serial},
  at {int} NOT NULL,
  kind {text} NOT NULL,
  pack {text} NOT NULL,
  who {text} NOT NULL,
  note {text} NOT NULL
) {plain};

-- What a bar code on a blank form stands for. It is the same for the same form and patient.
CREATE TABLE downtime_code (
  code {text} NOT NULL PRIMARY KEY,
  form {text} NOT NULL,
  patient {text} NOT NULL,
  made_at {int} NOT NULL
) {plain};

-- What was taken in from paper: once for each paper. `id` is the form's token in the page.
CREATE TABLE downtime_entry (
  id {text} NOT NULL PRIMARY KEY,
  code {text} NOT NULL,
  patient {text} NOT NULL,
  happened_at {int} NOT NULL,
  entered_at {int} NOT NULL,
  entered_by {text} NOT NULL,
  behalf {text} NOT NULL
) {plain};
