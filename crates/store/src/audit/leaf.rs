//! A line of the log as a leaf of its tree: every column of the row, each told from the others by its
//! place, its kind and its length. This form is never changed: leaves that were made by it could not
//! be made again.

use access::merkle::{self, Hash};
use fhir::problem::Problem;

use crate::row::Cell;
use crate::sql::Sql;

/// Columns of a row, `seq` first.
pub(super) const COLUMNS: usize = 20;

/// What every leaf begins with.
const FORM: &[u8] = b"handover audit line 1\n";

/// A row's number and hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leaf {
    pub(super) seq: i64,
    pub(super) hash: Hash,
}

/// Rows `(after, upto]` in their order, at most so many.
pub(super) fn rows(after: i64, upto: i64, count: u32) -> Sql<'static> {
    Sql::new(
        "SELECT seq, shard, at, request_id, interaction, within, outcome, agent, account, name, \
         role, organisation, agent_patient, purpose, ty, id, ver, patient, query, digest \
         FROM audit WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3",
    )
    .with(after)
    .with(upto)
    .with(count)
}

/// Makes leaves of rows, in one buffer.
pub(super) fn maker() -> impl FnMut(&[Cell<'_>; COLUMNS]) -> Result<Leaf, Problem> + Send + 'static
{
    let mut buffer = Vec::with_capacity(512);
    move |cells| {
        buffer.clear();
        write(&mut buffer, cells);
        let [seq, ..] = cells;
        Ok(Leaf {
            seq: seq.int()?,
            hash: merkle::leaf(&buffer),
        })
    }
}

fn write(out: &mut Vec<u8>, cells: &[Cell<'_>; COLUMNS]) {
    out.extend_from_slice(FORM);
    for cell in cells {
        match cell {
            Cell::Null => out.push(0),
            Cell::Int(value) => {
                out.push(1);
                out.extend_from_slice(&value.to_be_bytes());
            }
            Cell::Bytes(value) => {
                out.push(2);
                // No value is near 4 GiB.
                let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
                out.extend_from_slice(&length.to_be_bytes());
                out.extend_from_slice(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_is_pinned_since_it_must_be_made_again_for_ever() {
        let mut cells = [Cell::Null; COLUMNS];
        cells[0] = Cell::Int(7);
        cells[3] = Cell::Bytes(b"r-1");
        let leaf = maker()(&cells).unwrap();
        let hex: String = leaf.hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((leaf.seq, &hex[..16]), (7, "235358acfa3fa81b"));
    }

    #[test]
    fn text_that_moves_to_the_next_column_makes_another_leaf() {
        let mut cells = [Cell::Null; COLUMNS];
        cells[0] = Cell::Int(1);
        let mut other = cells;
        (cells[3], cells[4]) = (Cell::Bytes(b"ab"), Cell::Bytes(b""));
        (other[3], other[4]) = (Cell::Bytes(b"a"), Cell::Bytes(b"b"));
        assert_ne!(maker()(&cells).unwrap().hash, maker()(&other).unwrap().hash);
    }
}
