-- When a message that did not get out is tried again: 0 for one that has not been tried, so that what is new goes first.
ALTER TABLE mesh_message ADD COLUMN next_try {int} NOT NULL DEFAULT 0;
-- 1 for a message that was collected and is not packed as it says: its content is here as it came, and is given to nobody.
ALTER TABLE mesh_message ADD COLUMN spoilt {int} NOT NULL DEFAULT 0;

CREATE INDEX mesh_message_to_hand ON mesh_message (way, next_try, number)
  WHERE state = 'accepted' AND kept = 1 AND outside = '';
CREATE INDEX mesh_message_tracked ON mesh_message (number)
  WHERE state = 'accepted' AND way = 'mesh' AND outside <> '';
