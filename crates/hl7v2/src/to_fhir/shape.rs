//! What the interpreter must know of a FHIR element while it builds: its type, and whether it
//! repeats. From the definitions of R4; the check of what is made is `fhir::validate`'s.

use fhir::definitions::Definitions;
use std::collections::HashMap;
use std::sync::LazyLock;

/// An element: its type, and whether it repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// A primitive (`dateTime`), a data type (`Period`) or a backbone (`Patient.contact`).
    pub ty: &'static str,
    /// Whether there may be several.
    pub many: bool,
    /// The element's name where its type is one of a choice: `value` of `valueQuantity`.
    pub choice: Option<&'static str>,
}

/// The shape of an element of a type, by its name in JSON (`valueQuantity`); `None` when the type
/// has no such element.
pub fn shape(ty: &str, member: &str) -> Option<Shape> {
    // Primitives have extensions too; an extension's address is a system type in the definitions.
    match member {
        "extension" => {
            return Some(Shape {
                ty: "Extension",
                many: true,
                choice: None,
            });
        }
        "url" if ty == "Extension" => {
            return Some(Shape {
                ty: "uri",
                many: false,
                choice: None,
            });
        }
        _ => {}
    }
    let r4 = Definitions::r4();
    let element = r4.ty(r4.find(ty)?).element(member)?;
    let mut types = element.types.iter().map(|id| r4.ty(*id).name);
    let ty = if element.is_choice {
        let suffix = member.strip_prefix(element.name)?;
        types.find(|ty| ty.eq_ignore_ascii_case(suffix))?
    } else {
        types.next()?
    };
    Some(Shape {
        ty,
        many: element.many,
        choice: element.is_choice.then_some(element.name),
    })
}

/// What is completed once all segments are read: a component takes its observation's code, a
/// participant its status.
const COMPLETED_LATER: [&str; 2] = ["Observation.component", "Appointment.participant"];

/// The elements that R4 requires of a data type or backbone; none for a resource, whose required
/// elements have defaults, and for what is completed later.
pub fn required(ty: &str) -> &'static [&'static str] {
    static REQUIRED: LazyLock<HashMap<&'static str, Vec<&'static str>>> = LazyLock::new(all);
    REQUIRED.get(ty).map(Vec::as_slice).unwrap_or_default()
}

/// The required elements of all types that have some.
fn all() -> HashMap<&'static str, Vec<&'static str>> {
    let r4 = Definitions::r4();
    let is_meant = |ty: &&fhir::definitions::Type| {
        r4.resource(ty.name).is_none() && !COMPLETED_LATER.contains(&ty.name)
    };
    let types = r4.types().iter().filter(is_meant);
    let named = types.map(|ty| {
        let elements = ty.elements.iter();
        let required = elements.filter(|e| e.min > 0 && !e.is_choice);
        (ty.name, required.map(|e| e.name).collect::<Vec<_>>())
    });
    named.filter(|(_, names)| !names.is_empty()).collect()
}

/// Whether the type is a primitive: FHIR writes those with a small first letter.
pub fn is_primitive(ty: &str) -> bool {
    ty.starts_with(|c: char| c.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_have_a_type_and_a_number() {
        let ty = |of, member| shape(of, member).map(|s| s.ty);
        assert_eq!(
            shape("Patient", "name"),
            Some(Shape {
                ty: "HumanName",
                many: true,
                choice: None
            })
        );
        assert_eq!(ty("Patient", "contact"), Some("Patient.contact"));
        assert_eq!(ty("Observation", "valueQuantity"), Some("Quantity"));
        assert_eq!(ty("Observation.referenceRange", "low"), Some("Quantity"));
        assert_eq!(
            ty("Extension", "valueCodeableConcept"),
            Some("CodeableConcept")
        );
        assert_eq!(ty("birthDate", "extension"), Some("Extension"));
        assert_eq!(ty("Patient", "meta"), Some("Meta"));
        assert_eq!(ty("Patient", "note"), None);
    }
}
