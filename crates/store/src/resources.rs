//! Resources: stored, read, searched.

mod apply;
pub(crate) mod body;
mod cache;
mod expected;
pub(crate) mod facts;
mod granted;
mod history;
mod in_use;
mod index;
mod labels;
mod prepared;
pub(crate) mod read;
pub(crate) mod reindex;
mod rows;
mod search;
mod stored;
mod veil;
pub(crate) mod withheld;

use bytes::Bytes;
use fhir::date::Millis;

pub(crate) use apply::apply;
pub(crate) use cache::Cache;
pub(crate) use expected::check as check_expected;
pub use history::{HistoryQuery, Past, PastPage};
pub use in_use::InUse;
pub use prepared::Prepared;
pub(crate) use reindex::Shared;
pub use reindex::{Reindex, ReindexState, ReindexWrite};
pub(crate) use search::Merges;

/// One version of a resource, as it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    pub ty: String,
    pub id: String,
    pub version: u64,
    pub last_updated: Millis,
    /// The JSON, with `meta.versionId` and `meta.lastUpdated` in their place.
    pub body: Bytes,
}

/// What a read finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    Found(Version),
    /// It was there once; this version is its deletion.
    Deleted {
        version: u64,
        at: Millis,
    },
    /// Never known, or beyond the scope: the two cannot be told apart.
    Absent,
}

/// A page of search results, in the order that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub entries: Vec<Version>,
    /// What comes along with them: no matches, not counted, and each there once.
    pub included: Vec<Version>,
    /// What `Search::after` takes for the next page; none on the last.
    pub next: Option<String>,
    /// The number of all matches, where asked for.
    pub total: Option<u64>,
    /// What of the one patient whom the question names is withheld, of the type asked for.
    pub withheld: crate::care::Withheld,
}

/// When a patient may see what is in their compartment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// As it was; for a new resource: not yet.
    Keep,
    /// From this time on.
    At(Millis),
    /// Not until someone says so.
    Never,
    /// As it was where that time has come; else not until someone says so.
    Hold,
}

impl Release {
    /// The time of release after this, if it was `before`.
    pub(crate) fn after(self, before: Option<Millis>, now: Millis) -> Option<Millis> {
        match self {
            Release::Keep => before,
            Release::At(at) => Some(at),
            Release::Never => None,
            Release::Hold => before.filter(|at| *at <= now),
        }
    }
}
