//! Walks: every resource of a patient, an encounter or a type within a scope, in the order of its
//! making, a page at a time by keyset. However much there is, memory stays flat; a walk can be taken
//! up again where it was left.
//!
//! A walk leaves its lines in the audit log before it gives what they are about: one for each
//! patient of whom it finds something.

mod files;
mod jobs;
mod references;
mod rows;
mod walker;

use fhir::care::CareTime;
use fhir::date::Millis;

pub use files::{File, Key};
pub(crate) use jobs::apply;
pub use jobs::{BadLine, BulkJob, BulkState, BulkWrite};
pub use walker::{Walked, Walker};

/// What is walked through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Within {
    /// The compartments of these patients (ids), in this order. What is in several is given once.
    Patients(Vec<String>),
    /// An encounter, what refers to it, and these patients themselves: whom it is about, which
    /// `walk_from` finds out.
    Encounter { id: String, patients: Vec<String> },
    /// All of the types of the walk; only what is about a patient if so said.
    Types { only_patients: bool },
}

/// Which resources a walk gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    pub within: Within,
    /// Only these types; empty for all, but not so for `Within::Types`.
    pub types: Vec<String>,
    /// Only versions written at or after this time.
    pub since: Option<Millis>,
    /// Only versions written before this time.
    pub before: Option<Millis>,
    pub care: CareTime,
    /// Also what these refer to and is about no patient, such as the practitioner. What is about
    /// another patient never comes along.
    pub with_referenced: bool,
    /// A walk from one patient also goes through the records that this patient's replaced (a merge), as
    /// far as the scope reaches them.
    pub follows_merges: bool,
    /// So many at most, not counting what comes along.
    pub count: Option<u32>,
    pub after: Cursor,
}

impl Walk {
    /// All there is.
    pub fn all(within: Within) -> Walk {
        Walk {
            within,
            types: Vec::new(),
            since: None,
            before: None,
            care: CareTime::default(),
            with_referenced: false,
            follows_merges: false,
            count: None,
            after: Cursor::default(),
        }
    }
}

/// The relative references in a rendered resource, each once, as type and id.
pub fn references(resource: &[u8]) -> Vec<(String, String)> {
    let found = references::of(resource).into_iter();
    found
        .map(|(ty, id)| (ty.to_string(), id.to_string()))
        .collect()
}

/// Where a walk stands: the part (patient or type) and the last row given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    pub(crate) part: u32,
    pub(crate) rid: i64,
}

impl Cursor {
    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Cursor> {
        let (part, rid) = text.split_once('.')?;
        let (part, rid) = (part.parse().ok()?, rid.parse().ok()?);
        (rid >= 0).then_some(Cursor { part, rid })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.part, self.rid)
    }
}

#[cfg(test)]
mod tests {
    use super::Cursor;

    #[test]
    fn a_cursor_reads_as_it_was_written_and_nothing_else_does() {
        let cursor = Cursor { part: 3, rid: 42 };
        assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        for wrong in ["", "3", "3.", ".4", "3.-1", "-1.3", "a.b", "1.2.3"] {
            assert_eq!(Cursor::parse(wrong), None, "{wrong}");
        }
    }
}
