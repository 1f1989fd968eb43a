//! What an Observation says (<https://hl7.org/fhir/R4/observation.html>): a figure or words, in what unit, what is usual, and
//! whether it holds.

use fhir::date::{self, Millis};
use serde_json::Value;

use crate::page::parts::Label;
use crate::page::trend::{Range, figure};
use crate::page::words;

/// Something that was measured.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The test: its code, or its name where it has none.
    pub key: String,
    pub name: String,
    /// As the laboratory writes it; empty for none.
    pub unit: String,
    pub at: Option<Millis>,
    pub when: String,
    pub value: String,
    /// The figure, where it is exact.
    pub figure: Option<f64>,
    pub range: Option<Range>,
    /// What is usual, in words.
    pub usual: String,
    /// Out of the ordinary, by the laboratory.
    pub flag: Option<Label>,
    /// Corrected, preliminary, entered in error.
    pub status: Option<Label>,
    pub by: String,
    is_error: bool,
}

impl Measured {
    /// Whether it is a point of the trend: what was entered in error is none, nor what is only "less than".
    pub fn is_drawn(&self) -> bool {
        self.figure.is_some() && self.at.is_some() && !self.is_error
    }
}

/// All that one Observation says: its own value, and those of its components.
pub fn all(resource: &Value) -> Vec<Measured> {
    let own = measured(resource, resource, None);
    let components = resource["component"].as_array().into_iter().flatten();
    let above = name(&resource["code"]);
    let components = components.filter_map(|it| measured(it, resource, Some(&above)));
    own.into_iter().chain(components).collect()
}

fn measured(part: &Value, whole: &Value, above: Option<&str>) -> Option<Measured> {
    let (value, figure_, unit) = value(part)?;
    let code = &part["code"];
    let own = name(code);
    let name = match above {
        Some(above) if !above.is_empty() => format!("{above}: {own}"),
        _ => own,
    };
    let coded = |place: &str| code.pointer(place).map_or("", text);
    let key = match (coded("/coding/0/system"), coded("/coding/0/code")) {
        (_, "") => name.clone(),
        (system, code) => format!("{}|{system}|{code}", above.unwrap_or_default()),
    };
    let places = [
        "/effectiveDateTime",
        "/effectiveInstant",
        "/effectivePeriod/start",
        "/issued",
    ];
    let mut times = places.iter().filter_map(|it| whole.pointer(it));
    let at = times.find_map(Value::as_str);
    let span = at.and_then(date::span);
    let (range, usual) = usual(part, &unit);
    let status = text(&whole["status"]);
    Some(Measured {
        key,
        name,
        at: span.map(|it| it.low),
        when: match (span, at) {
            (Some(span), Some(at)) if at.len() > 10 => {
                let moment = words::moment(span.low, span.low);
                format!("{} {}", words::date(span.low).short, moment.short)
            }
            (Some(_), Some(at)) => words::day(at),
            _ => "No date given".to_owned(),
        },
        flag: flag(part, figure_, range),
        value,
        figure: figure_,
        unit,
        range,
        usual,
        status: status_label(status),
        by: whole["performer"]
            .as_array()
            .into_iter()
            .flatten()
            .find_map(|it| it["display"].as_str())
            .unwrap_or_default()
            .to_owned(),
        is_error: matches!(status, "entered-in-error" | "cancelled"),
    })
}

/// The value in words, the figure where it is exact, and its unit. `None` where nothing was measured.
fn value(part: &Value) -> Option<(String, Option<f64>, String)> {
    let quantity = &part["valueQuantity"];
    if let Some(number) = quantity["value"].as_f64() {
        let comparator = text(&quantity["comparator"]);
        let unit = match text(&quantity["unit"]) {
            "" => text(&quantity["code"]),
            unit => unit,
        };
        // As the laboratory wrote it, to the digit.
        let written = quantity["value"].to_string();
        let said = format!("{comparator}{written} {unit}").trim().to_owned();
        let exact = comparator.is_empty().then_some(number);
        return Some((said, exact, unit.to_owned()));
    }
    if let Some(number) = part["valueInteger"].as_i64() {
        return Some((number.to_string(), Some(number as f64), String::new()));
    }
    let words = [
        part["valueString"].as_str().map(str::to_owned),
        Some(name(&part["valueCodeableConcept"])).filter(|it| !it.is_empty()),
        part["valueBoolean"]
            .as_bool()
            .map(|it| if it { "Yes" } else { "No" }.to_owned()),
        part["valueDateTime"].as_str().map(words::day),
        part["dataAbsentReason"]
            .is_object()
            .then(|| format!("No value: {}", name(&part["dataAbsentReason"]))),
    ];
    let words = words.into_iter().flatten().next()?;
    Some((words, None, String::new()))
}

/// What is usual as the laboratory says: as numbers where they are of the value's own unit, and in words.
fn usual(part: &Value, unit: &str) -> (Option<Range>, String) {
    let ranges = part["referenceRange"].as_array();
    let Some(range) = ranges.and_then(|it| it.first()) else {
        return (None, String::new());
    };
    let end = |name: &str| {
        let end = &range[name];
        let theirs = match text(&end["unit"]) {
            "" => text(&end["code"]),
            unit => unit,
        };
        let is_same = theirs.is_empty() || theirs == unit;
        end["value"].as_f64().filter(|_| is_same)
    };
    let (low, high) = (end("low"), end("high"));
    let said = match (text(&range["text"]), low, high) {
        ("", Some(low), Some(high)) => format!("{} to {}", figure(low), figure(high)),
        ("", Some(low), None) => format!("{} or more", figure(low)),
        ("", None, Some(high)) => format!("{} or less", figure(high)),
        ("", None, None) => String::new(),
        (said, ..) => said.to_owned(),
    };
    let only_one = ranges.is_some_and(|it| it.len() == 1);
    let range = (low.is_some() || high.is_some()) && only_one;
    (range.then_some((low, high)), said)
}

/// Whether it is out of the ordinary: by the laboratory's own word, else by its own range.
fn flag(part: &Value, value: Option<f64>, range: Option<Range>) -> Option<Label> {
    let codes = part["interpretation"].as_array().into_iter().flatten();
    let codes: Vec<&str> = codes
        .flat_map(|it| it["coding"].as_array().into_iter().flatten())
        .map(|it| text(&it["code"]))
        .collect();
    let label = |text, colour| {
        Some(Label {
            text,
            colour: Some(colour),
        })
    };
    for code in &codes {
        match *code {
            "HH" | "HU" => return label("Very high", "red"),
            "LL" | "LU" => return label("Very low", "red"),
            "H" => return label("High", "orange"),
            "L" => return label("Low", "orange"),
            "A" => return label("Abnormal", "orange"),
            "AA" => return label("Very abnormal", "red"),
            "POS" => return label("Positive", "orange"),
            _ => {}
        }
    }
    if !codes.is_empty() {
        return None;
    }
    match (value, range) {
        (Some(value), Some((Some(low), _))) if value < low => label("Low", "orange"),
        (Some(value), Some((_, Some(high)))) if value > high => label("High", "orange"),
        _ => None,
    }
}

fn status_label(status: &str) -> Option<Label> {
    let (text, colour) = match status {
        "corrected" | "amended" => ("Corrected", "purple"),
        "preliminary" | "registered" => ("Preliminary", "yellow"),
        "entered-in-error" => ("Entered in error", "red"),
        "cancelled" => ("Cancelled", "grey"),
        _ => return None,
    };
    Some(Label {
        text,
        colour: Some(colour),
    })
}

/// A concept in words.
pub fn name(concept: &Value) -> String {
    let coded = concept["coding"].as_array().into_iter().flatten();
    let display = coded
        .clone()
        .find_map(|it| it["display"].as_str())
        .or_else(|| coded.clone().find_map(|it| it["code"].as_str()));
    let said = concept["text"].as_str().or(display).unwrap_or_default();
    said.trim().to_owned()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn potassium(value: f64, unit: &str) -> Value {
        json!({
            "resourceType": "Observation", "status": "final", "effectiveDateTime": "2026-01-02",
            "code": { "coding": [{ "system": "http://loinc.org", "code": "2823-3" }], "text": "Potassium" },
            "valueQuantity": { "value": value, "unit": unit },
            "referenceRange": [{ "low": { "value": 3.5, "unit": "mmol/L" }, "high": { "value": 5.3, "unit": "mmol/L" } }],
        })
    }

    #[test]
    fn what_is_out_of_the_ordinary_is_so_by_the_laboratory() {
        let high = &all(&potassium(6.1, "mmol/L"))[0];
        assert_eq!(high.flag.as_ref().unwrap().text, "High");
        assert_eq!(high.usual, "3.5 to 5.3");
        // Its own word counts above its range, and a range in another unit says nothing.
        let mut said = potassium(6.1, "mmol/L");
        said["interpretation"] = json!([{ "coding": [{ "code": "N" }] }]);
        assert!(all(&said)[0].flag.is_none());
        let other = &all(&potassium(6.1, "mg/dL"))[0];
        assert!(other.flag.is_none() && other.range.is_none());
    }

    #[test]
    fn what_was_entered_in_error_or_is_only_less_than_is_no_point_of_a_trend() {
        let mut less = potassium(0.1, "mmol/L");
        less["valueQuantity"]["comparator"] = json!("<");
        assert!(!all(&less)[0].is_drawn());
        assert_eq!(all(&less)[0].value, "<0.1 mmol/L");
        let mut wrong = potassium(4.0, "mmol/L");
        wrong["status"] = json!("entered-in-error");
        assert!(!all(&wrong)[0].is_drawn());
        assert_eq!(
            all(&wrong)[0].status.as_ref().unwrap().text,
            "Entered in error"
        );
        assert!(all(&potassium(4.0, "mmol/L"))[0].is_drawn());
    }

    #[test]
    fn each_component_is_a_test_of_its_own() {
        let pressure = json!({
            "resourceType": "Observation", "status": "final", "code": { "text": "Blood pressure" },
            "component": [
                { "code": { "text": "Systolic" }, "valueQuantity": { "value": 142, "unit": "mmHg" } },
                { "code": { "text": "Diastolic" }, "valueQuantity": { "value": 88, "unit": "mmHg" } },
            ],
        });
        let read = all(&pressure);
        let names: Vec<&str> = read.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(
            names,
            ["Blood pressure: Systolic", "Blood pressure: Diastolic"]
        );
    }
}
