//! FHIR R4 (4.0.1) as plain data: reading and writing JSON without loss, checking structure,
//! search parameters, compartments and Bundles.
//!
//! Invariant: no I/O, no async, no clock, no SQL. Every function is pure, and bounded by the limits
//! that its caller hands in.

pub mod bundle;
pub mod care;
pub mod compartment;
pub mod date;
pub mod definitions;
pub mod fhirpath;
pub mod gp_connect;
pub mod itk3;
pub mod json;
pub mod matching;
pub mod members;
pub mod narrative;
pub mod patch;
pub mod path;
pub mod practice;
pub mod problem;
pub mod profile;
pub mod questionnaire;
pub mod repeats;
pub mod resource;
pub mod rule;
pub mod search;
pub mod terminology;
pub mod ucum;
pub mod validate;
pub mod view;
pub mod whereabouts;
pub mod xml;

pub use date::Millis;
pub use json::Json;
pub use problem::{Kind, Problem};
pub use resource::Body;
