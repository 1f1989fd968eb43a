//! FHIR's XML (<https://hl7.org/fhir/R4/xml.html>) to and from its JSON, without loss.
//!
//! A tokenizer of others' finds the tags; what they mean, and every bound, is ours. There is no
//! document type, no entity but XML's own five, and no namespace but FHIR's and XHTML's.
//!
//! Invariant: depth, size and number of elements are bounded by `Limits`, whatever the input.

mod narrative;
mod read;
mod tokens;
pub mod tree;
mod write;

pub use read::to_json;
pub use write::from_json;

/// FHIR's namespace.
const FHIR: &str = "http://hl7.org/fhir";
/// XHTML's namespace, which narrative is in.
const XHTML: &str = "http://www.w3.org/1999/xhtml";

#[cfg(test)]
mod tests;
