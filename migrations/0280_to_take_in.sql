-- What waits to be taken in, in its order: a backlog is not sorted anew for each batch of it.
CREATE INDEX parcel_to_take_in ON parcel (urgent, pid) WHERE direction = 1 AND due = 1;

-- No parcel below `since` needs the content: many letters carry the same leaflet, and those long delivered are not looked through
-- each time another is.
ALTER TABLE parcel_content ADD COLUMN since {int} NOT NULL DEFAULT 0;

CREATE INDEX parcel_part_content ON parcel_part (sha256, pid);

DROP INDEX parcel_part_sha256;
