//! The staff's pages.

mod alarms;
pub mod bookings;
pub mod care;
pub mod content;
pub mod crisis_plan;
pub mod desk;
pub mod discharges;
pub mod dispensing;
pub mod downtime;
mod drafting;
pub mod fax_count;
pub mod fax_in;
pub mod fax_numbers;
pub mod fax_out;
pub mod fax_views;
pub mod find;
pub mod glossary;
pub mod handovers;
pub mod inbox;
pub mod item;
pub mod itk3;
pub mod live;
mod matching;
pub mod message;
pub mod messages;
pub mod moves;
pub mod pds;
pub mod person;
pub mod prescriptions;
pub mod privacy;
pub mod privacy_log;
pub mod proxies;
pub mod questionnaires;
pub mod questions;
pub mod recalls;
pub mod receipts;
pub mod referrals;
pub mod rules;
pub mod sent;
pub mod shared;
pub mod shared_letter;
pub mod shared_views;
pub mod slot_book;
pub mod slot_views;
pub mod slots;
pub mod slots_there;
pub mod steps;
pub mod stuck_letters;
pub mod stuck_prescriptions;
pub mod subscribers;
pub mod team_release;
pub mod told;
pub mod views;
pub mod visits;
pub mod worklist;

use fhir::problem::{Kind, Problem};
use store::parcels::{Event, Letter, Named, Shown, State};

use crate::node::Node;
use crate::page::parts::{self, Label, Person, Step};
use crate::page::words;
use fhir::date::Millis;

/// What stands in a list instead of a name that is not shown.
const NOT_SHOWN: &str = "Not shown to you";

/// Whom a letter is about, as far as it is shown.
fn about(letter: &Letter) -> Person {
    match letter.shown {
        Shown::Whole | Shown::Sealed => person(&letter.named),
        Shown::Withheld => Person::new(NOT_SHOWN, None, None),
    }
}

/// The organisation at the other end, as far as it is shown.
fn other_end(node: &Node, letter: &Letter, ods: &str) -> String {
    match letter.shown {
        Shown::Whole if by_fax_in(letter) => letter.author.clone(),
        Shown::Whole if letter.by_itk3 && !letter.outward => {
            format!("{} (by MESH, not proved)", (node.organisation_name)(ods))
        }
        Shown::Whole => (node.organisation_name)(ods),
        Shown::Sealed | Shown::Withheld => NOT_SHOWN.to_owned(),
    }
}

/// Whether it came by fax: nobody has proved who sent it, so what is known stands for the sender.
fn by_fax_in(letter: &Letter) -> bool {
    letter.by_fax && !letter.outward
}

/// Who a letter says it is about: family name first, as lists are read.
fn person(named: &Named) -> Person {
    let family = named.family.to_uppercase();
    let name = match (family.is_empty(), named.given.is_empty()) {
        (false, false) => format!("{family}, {}", named.given),
        (false, true) => family,
        (true, _) => named.given.clone(),
    };
    Person::new(
        &name,
        named.birth_date.as_deref(),
        named.nhs_number.as_deref(),
    )
}

/// The letter's subject; a letter without one is still a link that can be followed, and so is one of
/// which only that it is there is shown.
fn subject(letter: &Letter) -> String {
    match letter.shown {
        Shown::Whole => {}
        Shown::Sealed => return "Sealed letter".to_owned(),
        Shown::Withheld => return "Letter withheld from you".to_owned(),
    }
    match letter.title.trim() {
        "" => "Letter without a subject".to_owned(),
        title => title.to_owned(),
    }
}

/// The letter's state, as its receiver's team reads it.
fn state_here(letter: &Letter) -> Label {
    match letter.state {
        State::Delivered | State::Opened if letter.unmatched => Label {
            text: "Unmatched",
            colour: Some("red"),
        },
        State::Delivered | State::Opened if letter.made.document.is_none() => Label {
            text: "Being taken in",
            colour: Some("grey"),
        },
        State::Delivered => Label {
            text: "New",
            colour: Some("blue"),
        },
        state => parts::state(state),
    }
}

/// The state of a letter that was sent. Of one by fax nobody knows more than what a machine has confirmed.
fn state_there(letter: &Letter) -> Label {
    match letter.state {
        State::Delivered if letter.by_fax => Label {
            text: "Faxed",
            colour: Some("blue"),
        },
        state => itk3::state_there(letter).unwrap_or_else(|| parts::state(state)),
    }
}

/// The steps of a journey, with the organisations' names.
fn journey(node: &Node, events: &[Event], now: Millis) -> Vec<Step> {
    events
        .iter()
        .map(|event| {
            let organisation = (node.organisation_name)(&event.organisation);
            let who = match (event.who.as_str(), event.role.as_str()) {
                ("", _) => organisation,
                (who, "") => format!("{who}, {organisation}"),
                (who, role) => format!("{who}, {}, {organisation}", role.replace('-', " ")),
            };
            let note = (!event.note.is_empty()).then(|| event.note.clone());
            parts::step(event, words::moment(event.at, now), Some(who), note)
        })
        .collect()
}

/// What is answered where there is no such letter, or none of this organisation's.
fn no_letter() -> Problem {
    Problem::new(Kind::NotFound, "There is no such letter here.")
}

#[cfg(test)]
mod tests;
