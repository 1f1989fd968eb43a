//! Operations (<https://hl7.org/fhir/R4/operations.html>), one file each.

pub mod everything;
mod stream;
