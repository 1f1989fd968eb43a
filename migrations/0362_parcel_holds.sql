-- The patient whose later parcels to the same neighbour wait for this one: it was sent, and is not taken yet (its contents go in
-- pieces). Empty for the rest, which are nearly all.
ALTER TABLE parcel ADD COLUMN holds {text};

CREATE INDEX parcel_holds ON parcel (holds, pid) WHERE holds IS NOT NULL;
