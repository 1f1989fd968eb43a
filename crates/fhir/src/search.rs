//! Search (<https://hl7.org/fhir/R4/search.html>): what of a resource goes into the index, and what
//! a query asks of the index. Meaning is settled here, so that what is left for a database is `=`,
//! ranges and prefixes.

mod canonical;
mod clause;
mod compartment;
mod composite;
mod custom;
mod extract;
mod fold;
mod hierarchy;
mod holds;
mod links;
mod names;
mod near;
mod parameter;
mod parse;
mod query;
mod registry;
mod texts;
mod value;

pub use clause::{Clause, Concept, Criterion, Hierarchy, Numbers, Range, System, Way};
pub use custom::Custom;
pub use extract::{EXTRACTION, Entry, REPLACES, Value, extract};
pub use fold::fold;
pub use holds::About;
pub use links::references;
pub(crate) use links::target;
pub use parameter::{
    Parameter, ParameterKind, parameter, parameter_of_all, parameters, parameters_of_all,
};
pub use query::{ALL_TYPES, Include, Included, Limits, Search, Sort, Total};
pub use registry::Registry;
