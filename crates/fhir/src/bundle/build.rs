//! Bundles written from resources that are already rendered, without reading them again.

use crate::date::Millis;
use crate::search::Search;

/// What became of an entry of a transaction or batch.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The HTTP status with its words, such as `201 Created`.
    pub status: String,
    /// `Patient/1/_history/3`, where there is a version.
    pub location: Option<String>,
    pub version: Option<u64>,
    pub last_updated: Option<Millis>,
    /// The rendered resource, where one is returned.
    pub resource: Option<Vec<u8>>,
    /// The rendered OperationOutcome, where there is one.
    pub outcome: Option<Vec<u8>>,
}

/// A `searchset` Bundle. `entries` are (`Patient/1`, rendered resource); `next` is the cursor of the
/// page after this one.
pub fn searchset<'e>(
    _search: &Search,
    _base_url: &str,
    _entries: impl Iterator<Item = (String, &'e [u8])>,
    _next: Option<&str>,
    _total: Option<u64>,
) -> Vec<u8> {
    Vec::new()
}

/// A `transaction-response` (or `batch-response`) Bundle.
pub fn transaction_response(_kind: &str, _outcomes: &[Outcome]) -> Vec<u8> {
    Vec::new()
}
