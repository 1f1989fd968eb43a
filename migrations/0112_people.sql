-- Who may act for whom, and whose record is not shown online.

-- `person` may act for `patient`: both are ids of Patients here. `categories` are words parted by
-- blanks. `basis` is patient (they gave it themselves) or practice; `childs` is 1 for what was given for a child. `ends_at` is its term; a child's ends
-- sooner, and is looked at again, by the birth date that the record has when it is used. Rows are never
-- taken away.
CREATE TABLE proxy (
  number {serial},
  patient {text} NOT NULL,
  patient_name {text} NOT NULL,
  person {text} NOT NULL,
  person_name {text} NOT NULL,
  categories {text} NOT NULL,
  basis {text} NOT NULL,
  reason {text} NOT NULL,
  granted_by {text} NOT NULL,
  granted_at {int} NOT NULL,
  childs {int} NOT NULL,
  ends_at {int} NOT NULL,
  confirmed_at {int} NOT NULL,
  confirmed_by {text} NOT NULL,
  ended_at {int},
  ended_by {text} NOT NULL
) {plain};

CREATE INDEX proxy_patient ON proxy (patient, number);
CREATE INDEX proxy_person ON proxy (person, number);

-- A code that a patient has made for somebody, as its digest: taken once, before it expires.
CREATE TABLE proxy_offer (
  digest {bytes} NOT NULL PRIMARY KEY,
  patient {text} NOT NULL,
  patient_name {text} NOT NULL,
  for_name {text} NOT NULL,
  categories {text} NOT NULL,
  made_at {int} NOT NULL,
  expires_at {int} NOT NULL,
  ends_at {int} NOT NULL
) {keyed};

CREATE INDEX proxy_offer_patient ON proxy_offer (patient, made_at);
CREATE INDEX proxy_offer_expires ON proxy_offer (expires_at);

-- A patient's record is not shown online from `paused_at` on; their own pages do not tell of their own
-- use from `hidden_at` on. Null for neither.
CREATE TABLE online_access (
  patient {text} NOT NULL PRIMARY KEY,
  paused_at {int},
  paused_by {text} NOT NULL,
  hidden_at {int}
) {keyed};

-- The `proxy` by which a session acts for somebody else at present.
ALTER TABLE session ADD COLUMN acting {int};

-- Whether a resource's labels keep it from people who act for the patient. Until now nobody acted for
-- anybody: whatever has a label is kept from them, until it is written again and its labels are read.
ALTER TABLE res ADD COLUMN sensitive {int} NOT NULL DEFAULT 0;
UPDATE res SET sensitive = 1 WHERE (shard, rid) IN (
  SELECT t.shard, t.rid FROM ix_token t WHERE t.param IN (
    SELECT w.id FROM word w WHERE w.text LIKE '%._security' OR w.text LIKE '%.security-label'));
-- And so are the contents of a letter that has one.
UPDATE res SET sensitive = 1
  WHERE ty IN (SELECT w.id FROM word w WHERE w.text = 'Binary') AND id IN (
    SELECT SUBSTR(u.value, 8) FROM res d JOIN ix_uri u ON u.rid = d.rid AND u.shard = d.shard
    WHERE d.sensitive = 1 AND u.value LIKE 'Binary/%' AND u.param IN (
      SELECT w.id FROM word w WHERE w.text = 'DocumentReference.location'));
