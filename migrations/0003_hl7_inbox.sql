-- HL7 v2 messages as they came, with the answer each got.

-- `key` names a message: a digest of MSH-3, MSH-4 and MSH-10; of the body too where the message was
-- not accepted, since a sender mends such a one and sends it again under its id. `ack` is the answer,
-- byte for byte. `state` is one of received, mapped, failed, quarantined, refused. `work` is 1 while
-- a person should look: then `reason` and `next_step` say why and what to do.
CREATE TABLE hl7_message (
  shard {int} NOT NULL,
  number {number},
  key {bytes} NOT NULL,
  application {text} NOT NULL,
  facility {text} NOT NULL,
  control_id {text} NOT NULL,
  kind {text} NOT NULL,
  sha256 {bytes} NOT NULL,
  body {bytes} NOT NULL,
  answer {text} NOT NULL,
  ack {bytes} NOT NULL,
  state {text} NOT NULL,
  received_at {int} NOT NULL,
  state_at {int} NOT NULL,
  tries {int} NOT NULL,
  work {int} NOT NULL,
  reason {text},
  next_step {text}
  {numbered_by_number}
) {plain};

CREATE UNIQUE INDEX hl7_message_key ON hl7_message (key, shard);

CREATE INDEX hl7_message_received ON hl7_message (number) WHERE state = 'received';
CREATE INDEX hl7_message_work ON hl7_message (number) WHERE work = 1;
