//! What a nurse writes offline about one visit at a time, as it comes back.

use std::collections::BTreeMap;

use fhir::date::{self, Millis};
use fhir::problem::{Kind, Problem};
use serde::{Deserialize, Serialize};
use store::visits::VisitState;

/// One text, in characters.
const TEXT_CHARS_MAX: usize = 8_000;
/// How far a device's clock may be ahead before somebody must look.
const AHEAD_MILLIS: Millis = 10 * 60_000;
/// For how long something can have been on its way before somebody must look.
const OLD_MILLIS: Millis = 60 * 86_400_000;

/// Something that can be measured.
#[derive(Clone, Copy, Serialize)]
pub struct Measured {
    pub name: &'static str,
    pub label: &'static str,
    pub low: f64,
    pub high: f64,
    /// LOINC; empty for the two parts of a blood pressure, which are one Observation.
    pub code: &'static str,
    pub display: &'static str,
    /// UCUM.
    pub unit: &'static str,
}

/// What can be measured. Bounds are those of a slip of the finger, not of health.
pub const OBSERVATIONS: [Measured; 7] = [
    of(
        "systolic",
        "Blood pressure, upper",
        (30.0, 300.0),
        ["", "", "mm[Hg]"],
    ),
    of(
        "diastolic",
        "Blood pressure, lower",
        (10.0, 200.0),
        ["", "", "mm[Hg]"],
    ),
    of(
        "pulse",
        "Pulse a minute",
        (10.0, 300.0),
        ["8867-4", "Heart rate", "/min"],
    ),
    of(
        "temperature",
        "Temperature, °C",
        (25.0, 45.0),
        ["8310-5", "Body temperature", "Cel"],
    ),
    of(
        "oxygen",
        "Oxygen saturation, %",
        (30.0, 100.0),
        ["2708-6", "Oxygen saturation in Arterial blood", "%"],
    ),
    of(
        "respirations",
        "Breaths a minute",
        (2.0, 100.0),
        ["9279-1", "Respiratory rate", "/min"],
    ),
    of(
        "weight",
        "Weight, kg",
        (0.3, 500.0),
        ["29463-7", "Body weight", "kg"],
    ),
];

const fn of(
    name: &'static str,
    label: &'static str,
    (low, high): (f64, f64),
    [code, display, unit]: [&'static str; 3],
) -> Measured {
    Measured {
        name,
        label,
        low,
        high,
        code,
        display,
        unit,
    }
}

/// The next visit that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Next {
    pub day: String,
    pub time: String,
    pub what: String,
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Written {
    pub id: String,
    pub visit: String,
    /// `done` or `not-done`.
    pub outcome: String,
    #[serde(default)]
    pub reason: String,
    pub happened: String,
    pub written: String,
    #[serde(default)]
    pub observations: BTreeMap<String, f64>,
    #[serde(default)]
    pub note: String,
    #[serde(default)]
    pub next: Option<Next>,
    #[serde(skip)]
    pub happened_at: Millis,
    #[serde(skip)]
    pub written_at: Millis,
}

impl Written {
    /// Reads one.
    ///
    /// # Errors
    /// `Value`, saying what is wrong with it.
    pub fn parse(text: &str) -> Result<Written, Problem> {
        let wrong = |message: &'static str| Problem::new(Kind::Value, message);
        let mut it: Written = serde_json::from_str(text)
            .map_err(|cause| wrong("It does not read.").because(cause))?;
        let at = |text: &str| date::span(text).map(|it| it.low);
        it.happened_at =
            at(&it.happened).ok_or_else(|| wrong("It does not say when it happened."))?;
        it.written_at =
            at(&it.written).ok_or_else(|| wrong("It does not say when it was written."))?;
        if uuid::Uuid::parse_str(&it.id).is_err() || it.id.len() != 36 {
            return Err(wrong("It has no name of its own."));
        }
        it.id.make_ascii_lowercase();
        if !["done", "not-done"].contains(&it.outcome.as_str()) {
            return Err(wrong("It does not say whether the visit was done."));
        }
        if it.is_long() {
            return Err(wrong("A text in it is longer than can be kept."));
        }
        if !it.observations.iter().all(fits) {
            return Err(wrong(
                "Something measured in it is not known, or out of bounds.",
            ));
        }
        let has = |name: &str| it.observations.contains_key(name);
        if has("systolic") != has("diastolic") {
            return Err(wrong("It has one part of a blood pressure alone."));
        }
        Ok(it)
    }

    fn is_long(&self) -> bool {
        let next = self.next.iter();
        let next = next.flat_map(|it| [&it.day, &it.time, &it.what]);
        let mut texts = [&self.reason, &self.note].into_iter().chain(next);
        texts.any(|it| it.chars().count() > TEXT_CHARS_MAX)
    }

    /// Why a person must look at it before it goes into the record, if they must.
    pub fn doubtful(&self, now: Millis) -> Option<&'static str> {
        if self.happened_at > now.saturating_add(AHEAD_MILLIS) {
            return Some(
                "It is said to have happened in the future: the device's clock is wrong, or the day was mistyped.",
            );
        }
        if self.happened_at < now.saturating_sub(OLD_MILLIS) {
            return Some("It is said to have happened more than 60 days ago.");
        }
        if let Some(next) = &self.next
            && crate::page::words::moment_of(&next.day, &next.time).is_none()
        {
            return Some("The next visit that it asks for has no day and time that read.");
        }
        None
    }

    pub fn state(&self) -> VisitState {
        match self.outcome.as_str() {
            "done" => VisitState::Done,
            _ => VisitState::NotDone,
        }
    }

    /// Headings and texts, for a page.
    pub fn told(&self) -> Vec<(&'static str, String)> {
        let mut told = vec![(
            "Outcome",
            match self.state() {
                VisitState::Done => "Done".to_owned(),
                _ => "Not done".to_owned(),
            },
        )];
        let mut say = |heading, text: String| {
            if !text.is_empty() {
                told.push((heading, text));
            }
        };
        say("Why not", self.reason.clone());
        let measured = OBSERVATIONS.iter().filter_map(|of| {
            let value = self.observations.get(of.name)?;
            Some(format!("{}: {value}", of.label))
        });
        say("Measured", measured.collect::<Vec<_>>().join("; "));
        say("Note", self.note.clone());
        if let Some(next) = &self.next {
            say(
                "Next visit",
                format!("{} {}: {}", next.day, next.time, next.what),
            );
        }
        told
    }
}

fn fits((name, value): (&String, &f64)) -> bool {
    let mut known = OBSERVATIONS.iter().filter(|it| it.name == name);
    known.any(|it| value.is_finite() && (it.low..=it.high).contains(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(change: fn(&mut serde_json::Value)) -> String {
        let mut it = serde_json::json!({
            "id": "0d6c3f4e-1111-4222-8333-444455556666", "visit": "v", "outcome": "done",
            "happened": "2026-11-29T09:10:00.000Z", "written": "2026-11-29T09:20:00.000Z",
            "observations": {"pulse": 72}, "note": "Well.",
            "next": {"day": "2026-12-01", "time": "09:00", "what": "Again"},
        });
        change(&mut it);
        it.to_string()
    }

    #[test]
    fn what_does_not_read_is_refused_and_says_why() {
        let good = Written::parse(&text(|_| {})).unwrap();
        assert_eq!(good.doubtful(good.happened_at), None);
        assert_eq!(good.told().len(), 4);
        for change in [
            (|it| it["id"] = "x".into()) as fn(&mut serde_json::Value),
            |it| it["outcome"] = "maybe".into(),
            |it| it["happened"] = "yesterday".into(),
            |it| it["written"] = "".into(),
            |it| it["note"] = "x".repeat(TEXT_CHARS_MAX + 1).into(),
            |it| it["observations"]["pulse"] = 7000.into(),
            |it| it["observations"]["mood"] = 5.into(),
            |it| it["observations"]["systolic"] = 120.into(),
        ] {
            assert!(Written::parse(&text(change)).is_err());
        }
    }

    #[test]
    fn a_time_that_cannot_be_is_for_a_person_to_look_at() {
        let it = Written::parse(&text(|_| {})).unwrap();
        let hour = 3_600_000;
        assert!(it.doubtful(it.happened_at - hour).is_some());
        assert!(it.doubtful(it.happened_at + 61 * 24 * hour).is_some());
        let bad = Written::parse(&text(|it| it["next"]["day"] = "soon".into())).unwrap();
        assert!(bad.doubtful(bad.happened_at).is_some());
    }
}
