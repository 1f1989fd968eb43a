//! Codes and the value sets that a profile binds them to.

use super::check::Walk;
use super::rule::Binding;
use crate::definitions::Shape;
use crate::fhirpath::Node;
use crate::json::Json;
use crate::problem::Kind;
use crate::terminology::Membership;
use crate::validate::{Place, Severity};

/// One of the codes is in the value set. Of a required one that nobody knows it is told that it was
/// not checked; beyond an extensible one it is a warning.
pub(super) fn check(walk: &mut Walk<'_>, binding: &Binding, node: Node<'_>, place: &Place<'_>) {
    let Some(json) = node.json.filter(|_| can_be_bound(walk, node)) else {
        return;
    };
    let codes = codes(json);
    if codes.is_empty() && !binding.is_required {
        return;
    }
    let mut unknown = None;
    for (system, code) in &codes {
        match walk
            .asked
            .terminology
            .member(&binding.value_set, *system, code)
        {
            Membership::Yes => return,
            Membership::No => {}
            Membership::Unknown(why) => unknown = Some(why),
        }
    }
    let set = &binding.value_set;
    match (unknown, binding.is_required) {
        (Some(why), true) => {
            let message = format!("The code was not checked against {set}: {}", why.message());
            walk.tell(Severity::Information, Kind::NotFound, message, place);
        }
        (Some(_), false) => {}
        (None, true) => {
            let message = format!("A code of {set} is required here.");
            walk.error(Kind::CodeInvalid, message, place);
        }
        (None, false) => {
            let message =
                format!("None of the codes is of {set}, which is to be used where it has one.");
            walk.tell(Severity::Warning, Kind::CodeInvalid, message, place);
        }
    }
}

/// Only these types have codes (<https://hl7.org/fhir/R4/terminologies.html#4.1>); authors bind others
/// by mistake.
fn can_be_bound(walk: &Walk<'_>, node: Node<'_>) -> bool {
    let definitions = walk.asked.definitions;
    let ty = definitions.ty(node.ty);
    match ty.shape {
        Shape::Primitive(_) => matches!(ty.name, "code" | "string" | "uri"),
        shape => matches!(
            shape,
            Shape::Coding | Shape::CodeableConcept | Shape::Quantity
        ),
    }
}

/// The codes of a code, Coding, CodeableConcept or Quantity.
fn codes<'j>(json: &'j Json<'_>) -> Vec<(Option<&'j str>, &'j str)> {
    if let Some(code) = json.as_str() {
        return vec![(None, code)];
    }
    let codings = match json.get("coding") {
        Some(_) => json.items("coding"),
        None => std::slice::from_ref(json),
    };
    codings
        .iter()
        .filter_map(|coding| Some((coding.text("system"), coding.text("code")?)))
        .collect()
}
