-- Pointers to single documents, in the shape of the National Record Locator, that systems of this organisation made. `id` begins with
-- the custodian's ODS code; `kind` is the document's type as `system|code`; `body` is the DocumentReference.
CREATE TABLE nrl_pointer (
  id {text} NOT NULL PRIMARY KEY,
  custodian {text} NOT NULL,
  nhs_number {text} NOT NULL,
  kind {text} NOT NULL,
  version {int} NOT NULL,
  at {int} NOT NULL,
  body {text} NOT NULL
) {plain};

CREATE INDEX nrl_pointer_number ON nrl_pointer (nhs_number, id);

CREATE INDEX nrl_pointer_custodian ON nrl_pointer (custodian, id);
