//! From a resource to the rows of the search index.

use crate::date::Millis;
use crate::json::Json;

/// One row of the search index: what a resource has under a search parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub code: &'static str,
    pub value: Value,
}

/// What a search parameter's value is in the index.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Token {
        system: Option<String>,
        code: String,
    },
    String {
        folded: String,
        /// As it stands in the resource, for `:exact`.
        exact: String,
    },
    Reference {
        /// `Patient/1`, or an absolute address; never with a version.
        target: String,
    },
    Date {
        low: Millis,
        /// Exclusive.
        high: Millis,
    },
    /// A number (without system and code) or a quantity; a Range has different bounds, and a bound
    /// that is open is `f64::MIN` or `f64::MAX`.
    Quantity {
        low: f64,
        high: f64,
        system: Option<String>,
        code: Option<String>,
    },
    Uri(String),
}

/// The index rows of a resource, each once, in the order of the search parameters' codes.
pub fn extract(_ty: &str, _resource: &Json<'_>) -> Vec<Entry> {
    Vec::new()
}
