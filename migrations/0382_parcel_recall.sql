-- Letters that were called back by a message after they had left by fax or as ITK3 documents: nobody at the other end can be
-- told by this node, so each is listed until a person has told them. `rung_at` is 0 until then.
CREATE TABLE parcel_recall (
  pid {int} NOT NULL PRIMARY KEY,
  at {int} NOT NULL,
  reason {text} NOT NULL,
  rung_at {int} NOT NULL,
  rung_by {text} NOT NULL
) {plain};

CREATE INDEX parcel_recall_open ON parcel_recall (at, pid) WHERE rung_at = 0;

-- Those of which it was said until now that they were withdrawn, though they had left. People could not withdraw these.
INSERT INTO parcel_recall (pid, at, reason, rung_at, rung_by)
  SELECT p.pid, p.state_at, 'It was called back by a message, and nobody there was told.', 0, '' FROM parcel p
  WHERE p.direction = 0 AND p.state = 'withdrawn' AND (
    p.kind = 'fax' AND EXISTS (SELECT 1 FROM fax_out f WHERE f.pid = p.pid
      AND f.state IN ('handing', 'handed', 'unsure', 'sent'))
    OR p.kind = 'itk3' AND EXISTS (SELECT 1 FROM itk3_out i WHERE i.pid = p.pid
      AND i.state IN ('handing', 'handed', 'unsure', 'received', 'accepted', 'refused')));
