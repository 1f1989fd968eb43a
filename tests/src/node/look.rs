//! Looking into a node's SQLite file from outside, as an engineer would with `sqlite3`.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OpenFlags, params_from_iter};

/// A letter as one node has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    pub state: String,
    /// It has become a document of this node's own.
    pub taken_in: bool,
    pub unmatched: bool,
}

fn open(store: &Path) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = Connection::open_with_flags(store, flags).unwrap();
    connection
        .busy_timeout(std::time::Duration::from_secs(5))
        .unwrap();
    connection
}

/// All letters that came in (`sent` false) or went out, by the sender's id of the document. Two rows of one id stand
/// under it together: that is what must not be.
pub fn parcels(store: &Path, sent: bool) -> BTreeMap<String, Vec<Parcel>> {
    let connection = open(store);
    let text =
        "SELECT unique_id, state, document IS NOT NULL, unmatched FROM parcel WHERE direction = ?1";
    let mut statement = connection.prepare(text).unwrap();
    let rows = statement.query_map([i64::from(!sent)], |row| {
        let parcel = Parcel {
            state: row.get(1)?,
            taken_in: row.get(2)?,
            unmatched: row.get(3)?,
        };
        Ok((row.get::<_, String>(0)?, parcel))
    });
    let mut by_id: BTreeMap<String, Vec<Parcel>> = BTreeMap::new();
    for row in rows.unwrap() {
        let (id, parcel) = row.unwrap();
        by_id.entry(id).or_default().push(parcel);
    }
    by_id
}

/// One number that a query gives.
pub fn number(store: &Path, query: &str, values: &[&str]) -> i64 {
    open(store)
        .query_row(query, params_from_iter(values), |row| row.get(0))
        .unwrap()
}

/// One text that a query gives, if it gives a row with one.
pub fn text(store: &Path, query: &str, values: &[&str]) -> Option<String> {
    open(store)
        .query_row(query, params_from_iter(values), |row| row.get(0))
        .ok()
}

/// SQLite's own check of the whole file.
pub fn integrity(store: &Path) -> String {
    open(store)
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap()
}
