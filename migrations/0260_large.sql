-- Binaries too large to stand in a resource: their bytes stay where they came, in pieces (`parcel_piece`), for as long as
-- the Binary `id` is here. The resource itself has no `data`.
CREATE TABLE large_binary (
  id {text} NOT NULL PRIMARY KEY,
  sender {text} NOT NULL,
  sha256 {text} NOT NULL,
  size {int} NOT NULL
) {plain};

CREATE INDEX large_binary_content ON large_binary (sha256, sender);
