-- When what stands in each element of a resource was recorded by the system whose HL7 v2 message said it, so that an older message
-- that comes late writes over nothing newer. `said` is JSON: lists of the time it was recorded, the time it was sent, and names.
CREATE TABLE hl7_said (
  shard {int} NOT NULL,
  reference {text} NOT NULL,
  said {text} NOT NULL,
  PRIMARY KEY (reference, shard)
) {keyed};
