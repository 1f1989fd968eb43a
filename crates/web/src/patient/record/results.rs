//! What an Observation measured, the range that the laboratory gave, and where the value lies by that range. There is no
//! judgement here: what lies outside a range is told, and what that means is for a clinician to say.

use serde_json::Value;

/// A measured value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Result {
    /// For people: `112 g/L`, `< 5 mg/L`, `Positive`; empty where nothing was measured.
    pub said: String,
    /// The number, if it is one and is no bound (`<`, `>`).
    pub number: Option<f64>,
    /// As the source wrote it: its code, else its text.
    pub unit: String,
    pub range: Option<Range>,
    pub position: Option<Position>,
    /// The number was corrected after it was first given.
    pub is_corrected: bool,
    pub is_preliminary: bool,
    /// It was never measured, or was taken back.
    pub is_void: bool,
    /// Parts with values of their own, such as of a blood pressure: name and value.
    pub parts: Vec<(String, String)>,
}

/// A reference range, as the laboratory gave it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Range {
    pub said: String,
    pub low: Option<f64>,
    pub high: Option<f64>,
}

/// Where a value lies by its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    Below,
    Within,
    Above,
}

/// Reads an Observation, or a component of one.
pub fn read(observation: &Value) -> Result {
    let (said, number, unit) = value(observation);
    let range = range(observation, &unit);
    let position = number
        .zip(range.as_ref())
        .and_then(|(it, range)| lies(it, range));
    let status = observation["status"].as_str().unwrap_or_default();
    let components = observation["component"].as_array().into_iter().flatten();
    let part = |it: &Value| {
        let name = super::entries::words(&it["code"])?;
        let (said, _, _) = value(it);
        (!said.is_empty()).then_some((name, said))
    };
    Result {
        said,
        number,
        unit,
        range,
        position,
        is_corrected: matches!(status, "corrected" | "amended"),
        is_preliminary: matches!(status, "preliminary" | "registered"),
        is_void: matches!(status, "entered-in-error" | "cancelled"),
        parts: components.filter_map(part).collect(),
    }
}

/// The value for people, as a number, and its unit.
fn value(of: &Value) -> (String, Option<f64>, String) {
    let quantity = &of["valueQuantity"];
    if let Some(value) = quantity["value"].as_number() {
        let text = |name: &str| quantity[name].as_str().map(str::trim).unwrap_or_default();
        let shown = [text("unit"), text("code")];
        let shown = shown
            .into_iter()
            .find(|it| !it.is_empty())
            .unwrap_or_default();
        let unit = [text("code"), text("unit")];
        let unit = unit
            .into_iter()
            .find(|it| !it.is_empty())
            .unwrap_or_default();
        let bound = text("comparator");
        let said = format!("{bound} {value} {shown}").trim().to_owned();
        // A bound is no measured point.
        let number = value
            .as_f64()
            .filter(|it| bound.is_empty() && it.is_finite());
        return (said, number, unit.to_owned());
    }
    let said = of["valueString"].as_str().map(str::to_owned);
    let said = said.or_else(|| super::entries::words(&of["valueCodeableConcept"]));
    let said = said.or_else(|| of["valueInteger"].as_i64().map(|it| it.to_string()));
    (said.unwrap_or_default(), None, String::new())
}

fn range(of: &Value, unit: &str) -> Option<Range> {
    let given = of.pointer("/referenceRange/0")?;
    let bound = |name: &str| {
        let bound = &given[name];
        let number = bound["value"].as_number()?;
        let named = ["unit", "code"].map(|name| bound[name].as_str().unwrap_or_default());
        // A range in another unit says nothing of this number, and names its unit: beside the number it would be read as in
        // the number's.
        let is_same = named.iter().all(|it| it.is_empty()) || named.contains(&unit);
        let other = named.into_iter().find(|it| !is_same && !it.is_empty());
        let said = match other {
            Some(other) => format!("{number} {other}"),
            None => number.to_string(),
        };
        Some((said, number.as_f64().filter(|_| is_same)))
    };
    let (low, high) = (bound("low"), bound("high"));
    let said = match (&low, &high) {
        (Some((low, _)), Some((high, _))) => format!("{low} – {high}"),
        (Some((low, _)), None) => format!("≥ {low}"),
        (None, Some((high, _))) => format!("≤ {high}"),
        (None, None) => given["text"].as_str()?.trim().to_owned(),
    };
    Some(Range {
        said,
        low: low.and_then(|it| it.1),
        high: high.and_then(|it| it.1),
    })
}

fn lies(value: f64, range: &Range) -> Option<Position> {
    if range.low.is_none() && range.high.is_none() {
        return None;
    }
    if range.low.is_some_and(|low| value < low) {
        return Some(Position::Below);
    }
    if range.high.is_some_and(|high| value > high) {
        return Some(Position::Above);
    }
    Some(Position::Within)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn measured(value: f64, unit: &str, low: f64, range_unit: &str) -> Result {
        read(
            &json!({"status": "final", "valueQuantity": {"value": value, "unit": unit},
            "referenceRange": [{"low": {"value": low, "unit": range_unit}, "high": {"value": 165, "unit": range_unit}}]}),
        )
    }

    #[test]
    fn a_value_lies_where_the_laboratorys_own_range_says_and_nowhere_without_one() {
        assert_eq!(
            measured(112.0, "g/L", 115.0, "g/L").position,
            Some(Position::Below)
        );
        assert_eq!(
            measured(115.0, "g/L", 115.0, "g/L").position,
            Some(Position::Within)
        );
        assert_eq!(
            measured(170.0, "g/L", 115.0, "g/L").position,
            Some(Position::Above)
        );
        let other = measured(11.2, "g/dL", 115.0, "g/L");
        assert_eq!(other.position, None, "a range in another unit says nothing");
        assert_eq!(
            other.range.unwrap().said,
            "115.0 g/L – 165 g/L",
            "and names its unit"
        );
        let own = measured(112.0, "g/L", 115.0, "g/L");
        assert_eq!(own.range.unwrap().said, "115.0 – 165");
        let bare = read(&json!({"status": "final", "valueQuantity": {"value": 5, "unit": "g"}}));
        assert_eq!((bare.position, bare.range), (None, None));
    }

    #[test]
    fn a_bound_is_shown_and_is_no_number() {
        let read = read(
            &json!({"valueQuantity": {"value": 5, "comparator": "<", "unit": "mg/L"},
            "referenceRange": [{"high": {"value": 10, "unit": "mg/L"}}]}),
        );
        assert_eq!((read.said.as_str(), read.number), ("< 5 mg/L", None));
        assert_eq!(read.position, None);
    }

    #[test]
    fn what_was_corrected_or_taken_back_is_marked() {
        let of = |status: &str| read(&json!({"status": status, "valueString": "Positive"}));
        assert!(of("corrected").is_corrected && of("amended").is_corrected);
        assert!(of("entered-in-error").is_void && of("cancelled").is_void);
        assert!(of("preliminary").is_preliminary && !of("final").is_corrected);
        assert_eq!(of("final").said, "Positive");
    }
}
