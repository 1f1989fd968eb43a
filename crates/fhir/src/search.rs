//! Search (<https://hl7.org/fhir/R4/search.html>): what of a resource goes into the index, and what
//! a query asks of the index. Meaning is settled here, so that what is left for a database is `=`,
//! ranges and prefixes.

mod clause;
mod extract;
mod fold;
mod parameter;
mod parse;
mod query;

pub use clause::{Clause, Criterion, Numbers, Range, System};
pub use extract::{Entry, Value, extract};
pub use fold::fold;
pub use parameter::{Parameter, ParameterKind, parameter, parameters};
pub use query::{Limits, Search, Total};
