//! The sides of values that modifiers ask for: what a token is called, an identifier's type, the
//! identifier in a reference, a quantity in base units.

use super::values;
use crate::definitions::{Definitions, Shape};
use crate::json::Json;
use crate::path::Item;
use crate::search::canonical;
use crate::search::fold::fold;
use crate::search::parameter::{Parameter, ParameterKind};
use crate::search::value::Value;

type Out<'o> = &'o mut dyn FnMut(&'static str, Value);

pub(super) fn of(item: Item<'_>, parameter: &Parameter, definitions: &Definitions, out: Out<'_>) {
    let Item::Node { json, ty, .. } = item else {
        return;
    };
    let shape = definitions.ty(ty).shape;
    let asides = &parameter.asides;
    match parameter.kind {
        ParameterKind::Token => {
            texts(json, shape, &mut |value| out(asides.text, value));
            if shape == Shape::Identifier {
                typed(json, &mut |value| out(asides.of_type, value));
            }
        }
        ParameterKind::Reference if shape == Shape::Reference => {
            if let Some(identifier) = json.get("identifier") {
                values::pair(identifier, "value", &mut |value| {
                    out(asides.identifier, value)
                });
            }
        }
        ParameterKind::Quantity => {
            values::of(item, parameter.kind, definitions, &mut |value| {
                if let Some(base) = canonical::value(&value) {
                    out(asides.canonical, base);
                }
            });
        }
        _ => {}
    }
}

/// A concept's text and the displays of its codings, or the text of an identifier's type.
fn texts(json: &Json<'_>, shape: Shape, out: &mut dyn FnMut(Value)) {
    let mut add = |text: Option<&str>| {
        let folded = text.map(fold).filter(|folded| !folded.is_empty());
        if let (Some(folded), Some(text)) = (folded, text) {
            // Only its start is ever asked for.
            let exact = match folded == text {
                true => text.to_string(),
                false => folded.clone(),
            };
            out(Value::String { folded, exact });
        }
    };
    match shape {
        Shape::CodeableConcept => {
            add(json.text("text"));
            let codings = json.items("coding").iter();
            codings.for_each(|coding| add(coding.text("display")));
        }
        Shape::Coding => add(json.text("display")),
        Shape::Identifier => add(json.get("type").and_then(|ty| ty.text("text"))),
        _ => {}
    }
}

/// The system of an identifier's type, and its code with the value behind it: `MR|123`.
fn typed(identifier: &Json<'_>, out: &mut dyn FnMut(Value)) {
    let (Some(ty), Some(value)) = (identifier.get("type"), identifier.text("value")) else {
        return;
    };
    for coding in ty.items("coding") {
        if let (Some(system), Some(code)) = (coding.text("system"), coding.text("code")) {
            out(Value::Token {
                system: Some(system.to_string()),
                code: format!("{code}|{value}"),
            });
        }
    }
}
