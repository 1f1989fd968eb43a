//! The search parameters of R4 (<https://hl7.org/fhir/R4/searchparameter-registry.html>).

/// The search parameter types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParameterKind {
    Token,
    String,
    Reference,
    Date,
    Number,
    Quantity,
    Uri,
    Composite,
    Special,
}

/// A search parameter of one resource type.
#[derive(Debug)]
pub struct Parameter {
    pub code: &'static str,
    pub kind: ParameterKind,
    /// The resource types that a reference may point at.
    pub targets: Vec<&'static str>,
}

/// The search parameter of that code for that resource type.
pub fn parameter(_ty: &str, _code: &str) -> Option<&'static Parameter> {
    None
}

/// All search parameters of a resource type that go into the index, in the order of their codes.
pub fn parameters(_ty: &str) -> impl Iterator<Item = &'static Parameter> {
    std::iter::empty()
}
