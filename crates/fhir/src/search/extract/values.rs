//! From an item of a search expression to index values, by the parameter's kind and the item's type.

use super::Value;
use crate::date::{self, BEGINNING, END, Span};
use crate::definitions::{Definitions, Element, Form, Shape};
use crate::json::Json;
use crate::path::Item;
use crate::search::fold::fold;
use crate::search::parameter::ParameterKind;

type Out<'o> = &'o mut dyn FnMut(Value);

/// The system of currencies in a Money.
const CURRENCIES: &str = "urn:iso:std:iso:4217";

pub(super) fn of(item: Item<'_>, kind: ParameterKind, definitions: &Definitions, out: Out<'_>) {
    let (json, ty, element) = match item {
        Item::Node { json, ty, element } => (json, ty, element),
        Item::Bool(value) => return boolean(value, out),
        Item::Text(_) | Item::Target(_) => return,
    };
    let shape = definitions.ty(ty).shape;
    match kind {
        ParameterKind::Token => token(json, shape, element, definitions, out),
        ParameterKind::String => string(json, shape, out),
        ParameterKind::Reference => reference(json, shape, out),
        ParameterKind::Date => {
            if let Some(span) = span(json, shape) {
                out(Value::Date {
                    low: span.low,
                    high: span.high,
                });
            }
        }
        ParameterKind::Number | ParameterKind::Quantity => quantity(json, shape, out),
        ParameterKind::Uri => {
            if let Some(uri) = json.as_str() {
                out(Value::Uri(uri.to_string()));
            }
        }
        ParameterKind::Composite | ParameterKind::Special => {}
    }
}

fn boolean(value: bool, out: Out<'_>) {
    out(Value::Token {
        system: None,
        code: value.to_string(),
    });
}

fn token(
    json: &Json<'_>,
    shape: Shape,
    element: Option<&Element>,
    definitions: &Definitions,
    out: Out<'_>,
) {
    match shape {
        Shape::CodeableConcept => {
            json.items("coding")
                .iter()
                .for_each(|coding| pair(coding, "code", out));
        }
        Shape::Coding => pair(json, "code", out),
        Shape::Identifier => pair(json, "value", out),
        Shape::ContactPoint => {
            if let Some(value) = json.text("value") {
                out(Value::Token {
                    system: None,
                    code: value.to_string(),
                });
            }
        }
        Shape::Primitive(_) => match json {
            Json::Bool(value) => boolean(*value, out),
            Json::String(code) => {
                // A code's system is the one of its required value set.
                let set = element.and_then(|element| definitions.value_set(element));
                let system = set.and_then(|set| set.codes.get(code.as_ref()));
                let system = system.map(|system| (*system).to_string());
                out(Value::Token {
                    system,
                    code: code.to_string(),
                });
            }
            _ => {}
        },
        _ => {}
    }
}

/// `system` and the member that holds the code.
pub(super) fn pair(json: &Json<'_>, code: &str, out: Out<'_>) {
    let (system, code) = (json.text("system"), json.text(code));
    if system.is_some() || code.is_some() {
        out(Value::Token {
            system: system.map(str::to_string),
            code: code.unwrap_or_default().to_string(),
        });
    }
}

const NAME_PARTS: &[&str] = &["text", "family", "given", "prefix", "suffix"];
const ADDRESS_PARTS: &[&str] = &[
    "text",
    "line",
    "city",
    "district",
    "state",
    "postalCode",
    "country",
];

fn string(json: &Json<'_>, shape: Shape, out: Out<'_>) {
    match shape {
        Shape::HumanName => parts(json, NAME_PARTS, out),
        Shape::Address => parts(json, ADDRESS_PARTS, out),
        Shape::CodeableConcept => parts(json, &["text"], out),
        _ => text(json, out),
    }
}

fn parts(json: &Json<'_>, names: &[&str], out: Out<'_>) {
    for value in names.iter().filter_map(|name| json.get(name)) {
        match value {
            Json::Array(items) => items.iter().for_each(|item| text(item, out)),
            value => text(value, out),
        }
    }
}

fn text(json: &Json<'_>, out: Out<'_>) {
    if let Some(text) = json.as_str() {
        out(Value::String {
            folded: fold(text),
            exact: text.to_string(),
        });
    }
}

fn reference(json: &Json<'_>, shape: Shape, out: Out<'_>) {
    let target = match shape {
        Shape::Reference => json.text("reference").map(unversioned),
        // A canonical is found with and without its version.
        Shape::Primitive(Form::Uri) => {
            let uri = json.as_str();
            if let Some((unversioned, _)) = uri.and_then(|uri| uri.split_once('|')) {
                out(Value::Reference {
                    target: unversioned.to_string(),
                });
            }
            uri
        }
        _ => None,
    };
    if let Some(target) = target.filter(|target| !target.starts_with('#')) {
        out(Value::Reference {
            target: target.to_string(),
        });
    }
}

/// `Patient/1` of `Patient/1/_history/2`.
fn unversioned(reference: &str) -> &str {
    reference
        .split_once("/_history/")
        .map_or(reference, |(unversioned, _)| unversioned)
}

fn span(json: &Json<'_>, shape: Shape) -> Option<Span> {
    match shape {
        Shape::Primitive(Form::Date | Form::DateTime | Form::Instant) => date::span(json.as_str()?),
        Shape::Period => period(json),
        Shape::Timing => timing(json),
        _ => None,
    }
}

fn period(json: &Json<'_>) -> Option<Span> {
    let (start, end) = (json.text("start"), json.text("end"));
    if start.is_none() && end.is_none() {
        return None;
    }
    let bound = |text: Option<&str>| text.map(date::span);
    Some(Span {
        low: bound(start).map_or(Some(BEGINNING), |span| Some(span?.low))?,
        high: bound(end).map_or(Some(END), |span| Some(span?.high))?,
    })
}

/// The outer limits: from the first event or bound to the last.
fn timing(json: &Json<'_>) -> Option<Span> {
    let events = json
        .items("event")
        .iter()
        .filter_map(|event| date::span(event.as_str()?));
    let bounds = json
        .get("repeat")
        .and_then(|repeat| repeat.get("boundsPeriod"))
        .and_then(period);
    events.chain(bounds).reduce(|all, span| Span {
        low: all.low.min(span.low),
        high: all.high.max(span.high),
    })
}

fn quantity(json: &Json<'_>, shape: Shape, out: Out<'_>) {
    match shape {
        Shape::Primitive(_) => {
            if let Some(value) = number(json) {
                out(Value::Quantity {
                    low: value,
                    high: value,
                    system: None,
                    code: None,
                });
            }
        }
        Shape::Quantity => {
            let Some(value) = json.get("value").and_then(number) else {
                return;
            };
            let (low, high) = match json.text("comparator") {
                Some("<" | "<=") => (f64::MIN, value),
                Some(">" | ">=") => (value, f64::MAX),
                _ => (value, value),
            };
            measured(json, low, high, out);
        }
        Shape::Money => {
            let Some(value) = json.get("value").and_then(number) else {
                return;
            };
            let code = json.text("currency").map(str::to_string);
            let system = code.as_ref().map(|_| CURRENCIES.to_string());
            out(Value::Quantity {
                low: value,
                high: value,
                system,
                code,
            });
        }
        Shape::Range => {
            let (low, high) = (json.get("low"), json.get("high"));
            let bound = |end: Option<&Json<'_>>| end?.get("value").and_then(number);
            if let Some(end) = low.or(high) {
                let low = bound(low).unwrap_or(f64::MIN);
                measured(end, low, bound(high).unwrap_or(f64::MAX), out);
            }
        }
        _ => {}
    }
}

/// With the unit's system and code of `unit`; its text where it has no code. A text that is not the code
/// is found too where no system is asked for: in a row of its own, without a system.
fn measured(unit: &Json<'_>, low: f64, high: f64, out: Out<'_>) {
    let (code, text) = (unit.text("code"), unit.text("unit"));
    let mut add = |system: Option<&str>, code: Option<&str>| {
        out(Value::Quantity {
            low,
            high,
            system: system.map(str::to_string),
            code: code.map(str::to_string),
        });
    };
    add(unit.text("system"), code.or(text));
    if code.is_some() && text.is_some() && text != code {
        add(None, text);
    }
}

/// The nearest number that the index can hold.
fn number(json: &Json<'_>) -> Option<f64> {
    let value: f64 = json.as_number()?.parse().ok()?;
    Some(value.clamp(f64::MIN, f64::MAX))
}
