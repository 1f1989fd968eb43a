//! The views that several pages share; each is a part of `templates/parts.jinja`.

use fhir::date::Millis;
use serde::Serialize;

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
    pub href: &'static str,
}

/// A parcel's state as staff read it. The codes are the protocol's.
pub fn state(code: &str) -> Label {
    let (text, colour) = match code {
        "accepted" => ("Accepted", Some("grey")),
        "waiting" => ("Waiting to be sent", Some("yellow")),
        "delivered" => ("Delivered", Some("blue")),
        "opened" => ("Opened", Some("aqua-green")),
        "filed" => ("Filed", Some("green")),
        "acted-on" => ("Acted on", Some("green")),
        "returned" => ("Returned", Some("orange")),
        "withdrawn" => ("Withdrawn", Some("grey")),
        "superseded" => ("Superseded", Some("grey")),
        "undeliverable" => ("Undeliverable", Some("red")),
        _ => ("Unknown", Some("grey")),
    };
    Label { text, colour }
}

/// A state as it stands at the receiver: what was delivered there is new to its team.
pub fn state_here(code: &str, matched: bool) -> Label {
    match (code, matched) {
        ("delivered" | "opened", false) => Label {
            text: "Unmatched",
            colour: Some("red"),
        },
        ("delivered", true) => Label {
            text: "New",
            colour: Some("blue"),
        },
        _ => state(code),
    }
}

/// Urgency, of which only what is out of the ordinary has a colour.
pub fn urgency(code: &str) -> Label {
    match code {
        "emergency" => Label {
            text: "Emergency",
            colour: Some("red"),
        },
        "urgent" => Label {
            text: "Urgent",
            colour: Some("red"),
        },
        _ => Label {
            text: "Routine",
            colour: None,
        },
    }
}

/// What a step of the journey is called.
pub fn step_words(code: &str) -> &'static str {
    match code {
        "accepted" => "Accepted for sending",
        "waiting" => "Waiting: could not be delivered yet",
        "delivered" => "Delivered",
        "opened" => "Opened",
        "filed" => "Filed",
        "acted-on" => "Acted on",
        "returned" => "Returned",
        "withdrawn" => "Withdrawn by the sender",
        "superseded" => "Replaced by a newer letter",
        "undeliverable" => "Could not be delivered",
        "matched" => "Matched to a patient",
        _ => "Changed",
    }
}

/// A step, told from `now`.
pub fn step(
    code: &str,
    at: Millis,
    now: Millis,
    who: Option<String>,
    note: Option<String>,
) -> Step {
    Step {
        what: step_words(code),
        when: words::moment(at, now),
        who,
        note,
    }
}
