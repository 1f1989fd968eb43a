-- Referrals: from one organisation to another, and how each stands. What is asked, and what was said of it, is in the
-- ServiceRequest of the same id; here is only what lists and decisions need.

-- `id` is the ServiceRequest's here. `inward` is 1 for what came in, 0 for what was sent. `way` is node or bars. `other` is
-- the organisation at the other end (ODS code), `asked_as` the referral's id at who refers. `patient` is the Patient here;
-- empty while nobody knows whose it is. `urgency` is a code of FHIR's request priority. `state` is one of waiting, asked,
-- accepted, returned, withdrawn. `steps` numbers this side's own steps, `told` is the number of the other side's last.
-- `news` is 1 if something came of it that nobody here has looked at. `parcel` is the id of this side's last parcel.
-- `promised_by` is the day (its first millisecond) by which the patient is to be seen, `appointment` the Appointment; 0 and
-- empty for none. `version` grows with each change.
CREATE TABLE referral (
  id {text} NOT NULL PRIMARY KEY,
  inward {int} NOT NULL,
  way {text} NOT NULL,
  other {text} NOT NULL,
  asked_as {text} NOT NULL,
  patient {text} NOT NULL,
  urgency {text} NOT NULL,
  state {text} NOT NULL,
  made_at {int} NOT NULL,
  state_at {int} NOT NULL,
  steps {int} NOT NULL,
  told {int} NOT NULL,
  news {int} NOT NULL,
  parcel {text} NOT NULL,
  promised_by {int} NOT NULL,
  appointment {text} NOT NULL,
  version {int} NOT NULL
) {plain};

CREATE INDEX referral_list ON referral (inward, state, state_at, id);
CREATE INDEX referral_patient ON referral (patient);

-- Messages of the Booking and Referral Standard (BaRS) that were taken: `id` names sender and message, `digest` is of its
-- bytes, `referral` what it was about, `request_id` and `correlation_id` what it came under.
CREATE TABLE bars_message (
  id {text} NOT NULL PRIMARY KEY,
  digest {text} NOT NULL,
  referral {text} NOT NULL,
  request_id {text} NOT NULL,
  correlation_id {text} NOT NULL,
  taken_at {int} NOT NULL
) {plain};
