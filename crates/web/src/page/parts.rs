//! The views that several pages share; each is a part of `templates/parts.jinja`.

use serde::Serialize;
use store::parcels::{Event, State};

use crate::page::words::{self, Moment};

/// A state or urgency, in words and a colour. Without a colour it is unremarkable.
#[derive(Clone, Debug, Serialize)]
pub struct Label {
    pub text: &'static str,
    pub colour: Option<&'static str>,
}

/// Who a letter says it is about.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Person {
    pub name: String,
    pub born: Option<String>,
    pub nhs_number: Option<String>,
}

impl Person {
    /// From what the letter or the record says: an ISO day and ten digits, as far as given.
    pub fn new(name: &str, born: Option<&str>, nhs_number: Option<&str>) -> Person {
        let name = if name.trim().is_empty() {
            "Name not given"
        } else {
            name
        };
        Person {
            name: name.to_owned(),
            born: born.map(words::day),
            nhs_number: nhs_number.map(words::nhs_number),
        }
    }
}

/// One step of a parcel's journey.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    pub what: &'static str,
    pub when: Moment,
    pub who: Option<String>,
    pub note: Option<String>,
}

/// A part of a letter's content.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Content {
    /// Text to show as text.
    pub text: Option<String>,
    /// Where to fetch what is not shown.
    pub href: Option<String>,
    pub title: String,
    pub kind: &'static str,
    pub size: String,
    /// Why there is nothing to show.
    pub missing: Option<&'static str>,
}

/// A choice of rows.
#[derive(Clone, Debug, Serialize)]
pub struct Tab {
    pub text: &'static str,
    pub href: String,
    pub count: Option<u64>,
    pub current: bool,
}

/// What has just been done.
#[derive(Clone, Debug, Serialize)]
pub struct Done {
    pub text: &'static str,
    pub href: Option<String>,
    pub link: Option<&'static str>,
}

/// A link with its text.
#[derive(Clone, Debug, Serialize)]
pub struct Link {
    pub text: &'static str,
    pub href: String,
}

/// A fault in a form, for the summary above it.
#[derive(Clone, Debug, Serialize)]
pub struct Fault {
    pub text: &'static str,
    /// The field to go to, such as `#reason`.
    pub href: std::borrow::Cow<'static, str>,
}

/// What is wrong with a form, of each field's own sentence and where it stands.
pub fn faults<const N: usize>(fields: [(Option<&'static str>, &'static str); N]) -> Vec<Fault> {
    let wrong = fields
        .into_iter()
        .filter_map(|(text, href)| Some((text?, href)));
    wrong
        .map(|(text, href)| Fault {
            text,
            href: href.into(),
        })
        .collect()
}

/// A parcel's state as staff read it.
pub fn state(state: State) -> Label {
    let (text, colour) = match state {
        State::Accepted => ("Accepted", "grey"),
        State::Waiting => ("Waiting to be sent", "yellow"),
        State::Delivered => ("Delivered", "blue"),
        State::Opened => ("Opened", "aqua-green"),
        State::Filed => ("Filed", "green"),
        State::ActedOn => ("Acted on", "green"),
        State::Returned => ("Returned", "orange"),
        State::Withdrawn => ("Withdrawn", "grey"),
        State::Superseded => ("Superseded", "grey"),
        State::Undeliverable => ("Undeliverable", "red"),
    };
    Label {
        text,
        colour: Some(colour),
    }
}

/// Urgency, of which only what is out of the ordinary has a colour.
pub fn urgency(urgent: bool) -> Label {
    if urgent {
        Label {
            text: "Urgent",
            colour: Some("red"),
        }
    } else {
        Label {
            text: "Routine",
            colour: None,
        }
    }
}

/// What a step of the journey is called.
fn step_words(event: &Event) -> &'static str {
    match event.state {
        Some(State::Accepted) => "Accepted for sending",
        Some(State::Waiting) => "Waiting: could not be delivered yet",
        Some(State::Delivered) => "Delivered",
        Some(State::Opened) => "Opened",
        Some(State::Filed) => "Filed",
        Some(State::ActedOn) => "Acted on",
        Some(State::Returned) => "Returned",
        Some(State::Withdrawn) => "Withdrawn by the sender",
        Some(State::Superseded) => "Replaced by a newer letter",
        Some(State::Undeliverable) => "Could not be delivered",
        None => match event.event.as_str() {
            "matched" => "Matched to a patient",
            "taken-in" => "Put into the record",
            "held-back" => "Held back from the patient",
            "released" => "Released to the patient",
            "filed-undone" => "Filed, which was undone",
            "put-back" => "Put back into the inbox",
            "refused" => "Refused by the other side",
            "handed-over" => "Handed over",
            "answered" => "Answered by the receiver",
            "accepted-there" => "Accepted by the receiver",
            "settled" => "Settled by a person",
            store::parcels::RECALLED => "Called back",
            store::parcels::RUNG => "The receiver was told that it does not hold",
            _ => "Changed",
        },
    }
}

/// A step of the journey.
pub fn step(event: &Event, when: Moment, who: Option<String>, note: Option<String>) -> Step {
    Step {
        what: step_words(event),
        when,
        who,
        note,
    }
}
