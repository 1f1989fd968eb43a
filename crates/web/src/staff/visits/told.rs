//! Whether the patient's practice is told of what was written on a visit: by a letter in the commit that puts it into the record,
//! so that neither is there without the other.

use access::Ods;
use exchange::discharge::Section;
use exchange::visits::VisitLetter;
use fhir::problem::Problem;
use fhir::repeats::is_labelled;
use serde_json::Value;
use store::Job;
use store::visits::{Told, Visit as Row, VisitState};

use super::entry::{OBSERVATIONS, Written};
use super::task::{Hands, Planned};
use crate::node::Node;
use crate::page::words;

/// What was written of whom, on which visit.
pub(super) struct Of<'o> {
    pub row: &'o Row,
    pub written: &'o Written,
    pub patient: &'o Value,
    /// The Task before it says what was written.
    pub task: &'o Value,
}

/// Who is told, and what is to be done for that in the job that puts what was written into the record.
pub(super) async fn tell(
    node: &Node,
    of: &Of<'_>,
    hands: &Hands<'_>,
) -> Result<(Told, Job), Problem> {
    let nothing = |told| Ok((told, Job::default()));
    let home = node.store.home_of(&of.row.patient).await?;
    let Some(home) = home.and_then(|it| Ods::parse(&it).ok()) else {
        return nothing(Told::NoPractice);
    };
    if home == node.site.organisation {
        return nothing(Told::Nobody);
    }
    if is_labelled(of.task) {
        return nothing(Told::Labelled);
    }
    let Some(exchange) = &node.exchange else {
        return nothing(Told::Failed);
    };
    let sections = sections(of, hands);
    let done = of.written.state() == VisitState::Done;
    let letter = exchange.visit_letter(&VisitLetter {
        entry: &of.written.id,
        to: &home,
        hides: node.store.keeps_whereabouts(&of.row.patient).await?,
        from: &node.site.name,
        patient: of.patient,
        patient_id: &of.row.patient,
        author: hands.author,
        sections: &sections,
        encounter: done.then_some(of.written.id.as_str()),
        release_at: node.release_at(hands.now),
        now: hands.now,
    });
    match letter {
        Ok((changes, effect)) => {
            let job = Job {
                changes,
                ..Job::effect(effect)
            };
            Ok((Told::Practice(home.to_string()), job))
        }
        // For a name that no parcel carries, what was written is not kept out of the record; the page says that nobody was told.
        Err(problem) => {
            tracing::warn!("no letter was made of a visit: {}", problem.message);
            nothing(Told::Failed)
        }
    }
}

/// What the practice reads. What was not written is said to be so, and is never "none".
fn sections(of: &Of<'_>, hands: &Hands<'_>) -> Vec<Section> {
    let written = of.written;
    let or = |text: &str, otherwise: &str| match text.trim() {
        "" => otherwise.to_owned(),
        text => text.to_owned(),
    };
    let at = |at| words::moment(at, at).full;
    let outcome = match written.state() {
        VisitState::Done => "Done.".to_owned(),
        _ => format!("Not done. Why: {}", or(&written.reason, "not written.")),
    };
    let next = written.next.as_ref().map_or_else(String::new, |it| {
        format!("{} {}: {}", words::day(&it.day), it.time, it.what)
    });
    let all = [
        (
            "When it happened",
            format!(
                "{}, by the clock of the device that it was written on.",
                at(written.happened_at)
            ),
        ),
        (
            "What was to be done",
            or(&Planned::read(of.task).what, "Not written."),
        ),
        ("Outcome", outcome),
        (
            "Measured",
            or(
                &measured(written).join("\n"),
                "Nothing measured was written.",
            ),
        ),
        ("Note", or(&written.note, "No note was written.")),
        ("Next visit", or(&next, "No next visit was written.")),
        (
            "Who wrote it",
            format!(
                "{}, without a network. Brought into the record by {}, {}.",
                hands.author,
                hands.by,
                at(hands.now)
            ),
        ),
    ];
    let section = |(heading, text): (&str, String)| Section {
        heading: heading.to_owned(),
        text,
    };
    all.into_iter().map(section).collect()
}

/// What was measured, a line each, with its unit.
fn measured(written: &Written) -> Vec<String> {
    let value_of = |name: &str| written.observations.get(name).copied();
    let mut lines = Vec::new();
    if let (Some(upper), Some(lower)) = (value_of("systolic"), value_of("diastolic")) {
        lines.push(format!("Blood pressure: {upper}/{lower} mmHg"));
    }
    for kind in OBSERVATIONS.iter().filter(|it| !it.code.is_empty()) {
        let unit = match kind.unit {
            "/min" => "a minute",
            "Cel" => "°C",
            other => other,
        };
        if let Some(value) = value_of(kind.name) {
            lines.push(format!("{}: {value} {unit}", kind.display));
        }
    }
    lines
}

/// Who was told, for a page; empty where nobody was to be. `hides` is whether where the patient is must not be shown to who reads:
/// which practice is theirs tells it.
pub(super) fn said(node: &Node, told: &Told, hides: bool) -> String {
    match told {
        Told::Nobody => String::new(),
        Told::Practice(_) if hides => {
            "A letter to the patient’s practice. Which one it is, is restricted.".to_owned()
        }
        Told::Practice(ods) => {
            let name = (node.organisation_name)(ods);
            format!("A letter to the patient’s practice, {name} ({ods}).")
        }
        Told::NoPractice => {
            "The patient’s practice is not known here, so nobody was told.".to_owned()
        }
        Told::Labelled => "The visit carries a label, so the practice was not told.".to_owned(),
        Told::Failed => {
            "No letter to the patient’s practice could be made, so nobody was told. Ring them."
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_has_its_unit_and_what_was_not_written_is_not_none() {
        let text = r#"{"id":"0d6c3f4e-1111-4222-8333-444455556666","visit":"v","outcome":"not-done","reason":"Nobody in",
            "happened":"2026-11-29T09:10:00.000Z","written":"2026-11-29T09:20:00.000Z",
            "observations":{"systolic":120,"diastolic":80,"pulse":72,"temperature":37.2}}"#;
        let written = Written::parse(text).unwrap();
        assert_eq!(
            measured(&written),
            [
                "Blood pressure: 120/80 mmHg",
                "Heart rate: 72 a minute",
                "Body temperature: 37.2 °C"
            ]
        );
        let row = Row {
            id: "v".into(),
            patient: "jane".into(),
            account: 7,
            nurse: "Nura Nurse".into(),
            day: "2026-11-29".into(),
            at: 0,
            state: VisitState::Planned,
        };
        let task = serde_json::json!({ "description": "Change the dressing" });
        let of = Of {
            row: &row,
            written: &written,
            patient: &Value::Null,
            task: &task,
        };
        let hands = Hands {
            author: "Nura Nurse",
            by: "Lee Lead",
            now: 0,
        };
        let all = sections(&of, &hands);
        let under = |heading: &str| {
            let found = all.iter().find(|it| it.heading == heading);
            found.unwrap().text.as_str()
        };
        assert!(under("When it happened").starts_with("Sunday 29 November 2026, 09:10"));
        assert_eq!(under("What was to be done"), "Change the dressing");
        assert_eq!(under("Outcome"), "Not done. Why: Nobody in");
        assert_eq!(under("Note"), "No note was written.");
        assert_eq!(under("Next visit"), "No next visit was written.");
        assert!(under("Who wrote it").contains("Nura Nurse, without a network"));
    }
}
