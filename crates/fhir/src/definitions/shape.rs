//! What a type looks like to the code that must tell types apart quickly.

/// The formats of primitive types (<https://hl7.org/fhir/R4/datatypes.html#primitive>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Base64,
    Boolean,
    Code,
    Date,
    DateTime,
    Decimal,
    Id,
    Instant,
    Integer,
    Markdown,
    Oid,
    PositiveInt,
    String,
    Time,
    UnsignedInt,
    Uri,
    Uuid,
    Xhtml,
}

impl Form {
    pub(super) fn of(name: &str) -> Option<Form> {
        Some(match name {
            "base64Binary" => Form::Base64,
            "boolean" => Form::Boolean,
            "code" => Form::Code,
            "date" => Form::Date,
            "dateTime" => Form::DateTime,
            "decimal" => Form::Decimal,
            "id" => Form::Id,
            "instant" => Form::Instant,
            "integer" => Form::Integer,
            "markdown" => Form::Markdown,
            "oid" => Form::Oid,
            "positiveInt" => Form::PositiveInt,
            "string" => Form::String,
            "time" => Form::Time,
            "unsignedInt" => Form::UnsignedInt,
            "canonical" | "uri" | "url" => Form::Uri,
            "uuid" => Form::Uuid,
            "xhtml" => Form::Xhtml,
            _ => return None,
        })
    }
}

/// The types that search and references treat in ways of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    Primitive(Form),
    Resource,
    /// The abstract Resource: any resource may stand there.
    AnyResource,
    Address,
    CodeableConcept,
    Coding,
    ContactPoint,
    HumanName,
    Identifier,
    Money,
    Period,
    /// Quantity and the types made of it: Age, Count, Distance, Duration.
    Quantity,
    Range,
    Reference,
    Timing,
    #[default]
    Other,
}

impl Shape {
    pub(super) fn of(name: &str) -> Shape {
        match name {
            "Resource" => Shape::AnyResource,
            "Address" => Shape::Address,
            "CodeableConcept" => Shape::CodeableConcept,
            "Coding" => Shape::Coding,
            "ContactPoint" => Shape::ContactPoint,
            "HumanName" => Shape::HumanName,
            "Identifier" => Shape::Identifier,
            "Money" => Shape::Money,
            "Period" => Shape::Period,
            "Age" | "Count" | "Distance" | "Duration" | "Quantity" => Shape::Quantity,
            "Range" => Shape::Range,
            "Reference" => Shape::Reference,
            "Timing" => Shape::Timing,
            _ => Shape::Other,
        }
    }
}
