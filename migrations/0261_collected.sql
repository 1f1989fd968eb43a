-- What the national service reports is about a message that left under its id there.
CREATE INDEX mesh_message_outside ON mesh_message (outside);
