//! Reports and their results: ORU^R01.

use super::adt::pid;
use super::mdm::{Part, document};
use super::segment::{Writer, components, part};
use super::values::{cwe, dtm_at, ei, ei_of};
use super::{Around, Change, Envelope, list, text};
use serde_json::Value;

/// A report is told once there is something in it.
pub(super) fn is_told(change: Change<'_>) -> bool {
    let status = text(change.now, "/status").unwrap_or_default();
    !matches!(status, "registered" | "unknown" | "")
}

pub(super) fn write(writer: &mut Writer, report: &Value, around: &Around, envelope: &Envelope) {
    pid(writer, &around.patient, envelope);
    let id = text(report, "/id").unwrap_or_default();
    let placer = ei_of(report, "PLAC").unwrap_or_default();
    let filler = ei_of(report, "FILL")
        .or_else(|| list(report, "identifier").first().map(ei))
        .unwrap_or_else(|| components(&[id, &envelope.organisation]));
    writer.segment(
        "ORC",
        &[
            (1, "RE".to_owned()),
            (2, placer.clone()),
            (3, filler.clone()),
        ],
    );
    let began = [
        dtm_at(report, "/effectiveDateTime"),
        dtm_at(report, "/effectivePeriod/start"),
    ];
    let status = report_status(text(report, "/status").unwrap_or_default());
    let fields = [
        (1, "1".to_owned()),
        (2, placer),
        (3, filler),
        (4, cwe(report.get("code"))),
        (
            7,
            began
                .into_iter()
                .find(|t| !t.is_empty())
                .unwrap_or_default(),
        ),
        (8, dtm_at(report, "/effectivePeriod/end")),
        (22, dtm_at(report, "/issued")),
        (25, status.to_owned()),
    ];
    writer.segment("OBR", &fields);
    if let Some(conclusion) = text(report, "/conclusion") {
        writer.segment("NTE", &[(1, "1".to_owned()), (3, part(conclusion))]);
    }
    let mut number = 0;
    for result in &around.results {
        observation(writer, result, &mut number);
    }
    for form in &around.parts {
        number += 1;
        form_of_report(writer, report, form, number, status);
    }
}

fn form_of_report(writer: &mut Writer, report: &Value, form: &Part, number: usize, status: &str) {
    let fields = [
        (1, number.to_string()),
        (2, "ED".to_owned()),
        (3, cwe(report.get("code"))),
        (5, document(form)),
        (11, status.to_owned()),
    ];
    writer.segment("OBX", &fields);
}

/// HL7 table 0123.
fn report_status(status: &str) -> &'static str {
    match status {
        "partial" => "A",
        "preliminary" => "P",
        "amended" | "corrected" | "appended" => "C",
        "cancelled" | "entered-in-error" => "X",
        _ => "F",
    }
}

/// HL7 table 0085.
fn result_status(result: &Value) -> &'static str {
    match text(result, "/status") {
        Some("registered") => "I",
        Some("preliminary") => "P",
        Some("amended" | "corrected") => "C",
        Some("cancelled") => "X",
        Some("entered-in-error") => "W",
        _ => "F",
    }
}

/// A result; its components follow it, numbered in OBX-4.
fn observation(writer: &mut Writer, result: &Value, number: &mut usize) {
    let components_of = list(result, "component");
    let has_value = value(result).is_some();
    if has_value || components_of.is_empty() {
        *number += 1;
        obx(writer, result, result.get("code"), result, *number, "");
    }
    for (n, component) in (1..).zip(components_of) {
        *number += 1;
        let code = component.get("code").or(result.get("code"));
        obx(writer, component, code, result, *number, &n.to_string());
    }
    for (n, note) in (1..).zip(list(result, "note")) {
        let said = text(note, "/text").map(part).unwrap_or_default();
        writer.segment("NTE", &[(1, n.to_string()), (3, said)]);
    }
}

fn obx(
    writer: &mut Writer,
    holds_value: &Value,
    code: Option<&Value>,
    result: &Value,
    number: usize,
    sub_id: &str,
) {
    let (kind, value, unit) = value(holds_value).unwrap_or(("ST", String::new(), String::new()));
    let range = list(holds_value, "referenceRange").first().map(range);
    let flag = list(holds_value, "interpretation").first();
    let flag = flag.and_then(|it| text(it, "/coding/0/code"));
    let at = [
        dtm_at(result, "/effectiveDateTime"),
        dtm_at(result, "/effectivePeriod/start"),
        dtm_at(result, "/effectiveInstant"),
    ];
    let fields = [
        (1, number.to_string()),
        (2, kind.to_owned()),
        (3, cwe(code)),
        (4, sub_id.to_owned()),
        (5, value),
        (6, unit),
        (7, range.unwrap_or_default()),
        (8, part(flag.unwrap_or_default())),
        (11, result_status(result).to_owned()),
        (
            14,
            at.into_iter().find(|t| !t.is_empty()).unwrap_or_default(),
        ),
    ];
    writer.segment("OBX", &fields);
}

/// The value's type, text and unit.
fn value(of: &Value) -> Option<(&'static str, String, String)> {
    let none = String::new;
    let members = of.as_object()?;
    let (name, value) = members.iter().find(|(name, _)| {
        let rest = name.strip_prefix("value");
        rest.is_some_and(|rest| rest.starts_with(char::is_uppercase))
    })?;
    Some(match (name.as_str(), value) {
        ("valueQuantity", quantity) => quantity_of(quantity),
        ("valueCodeableConcept", concept) => ("CE", cwe(Some(concept)), none()),
        ("valueInteger", number) => ("NM", number.to_string(), none()),
        ("valueDateTime", Value::String(text)) => ("TS", super::values::dtm(text), none()),
        ("valueTime", Value::String(text)) => ("TM", text.replace(':', ""), none()),
        ("valueString", Value::String(text)) if text.contains('\n') => ("FT", part(text), none()),
        (_, Value::String(text)) => ("ST", part(text), none()),
        (_, Value::Bool(held)) => ("ST", if *held { "Y" } else { "N" }.to_owned(), none()),
        (_, other) => ("ST", part(&in_words(other)), none()),
    })
}

fn quantity_of(quantity: &Value) -> (&'static str, String, String) {
    let number = quantity
        .get("value")
        .map(Value::to_string)
        .unwrap_or_default();
    let at = |pointer: &str| text(quantity, pointer).unwrap_or_default();
    let unit = match (at("/code"), at("/unit")) {
        ("", unit) => components(&[unit]),
        (code, unit) if at("/system") == "http://unitsofmeasure.org" => {
            components(&[code, unit, "UCUM"])
        }
        (code, unit) => components(&[code, unit]),
    };
    match text(quantity, "/comparator") {
        Some(comparator) => ("SN", format!("{}^{number}", part(comparator)), unit),
        None => ("NM", number, unit),
    }
}

/// A range, ratio or period, as people write it.
fn in_words(value: &Value) -> String {
    let amount = |name: &str| {
        let part = value.get(name)?;
        let number = part.get("value").map(Value::to_string).unwrap_or_default();
        let unit = text(part, "/unit").unwrap_or_default();
        Some(format!("{number} {unit}").trim().to_owned())
    };
    let pair = |low: &str, high: &str, between: &str| {
        let (low, high) = (amount(low), amount(high));
        (low.is_some() || high.is_some())
            .then(|| [low.unwrap_or_default(), high.unwrap_or_default()].join(between))
    };
    pair("low", "high", " - ")
        .or_else(|| pair("numerator", "denominator", " : "))
        .unwrap_or_else(|| {
            let at = |pointer: &str| text(value, pointer).unwrap_or_default();
            [at("/start"), at("/end")]
                .join(" - ")
                .trim_matches([' ', '-'])
                .to_owned()
        })
}

fn range(range: &Value) -> String {
    match text(range, "/text") {
        Some(words) => part(words),
        None => part(&in_words(range).replace(" - ", "-")),
    }
}
