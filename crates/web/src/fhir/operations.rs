//! Operations (<https://hl7.org/fhir/R4/operations.html>), one file each.

pub mod bulk;
pub mod bulk_worker;
pub mod document;
pub mod everything;
pub mod export;
pub mod import;
pub mod last_n;
pub mod match_patient;
pub mod meta;
pub(super) mod parameters;
pub mod reindex;
pub mod send;
pub mod shared_record;
mod stream;
