//! What the templates of the pages about handovers show.

use serde::Serialize;

use crate::page::parts::{Done, Fault, Label, Person, Tab};
use crate::page::words::Moment;
use crate::staff::referrals::views::Receiver;
use crate::staff::shared_views::SharedPage;
use crate::staff::views::Candidate;

/// `staff/handover-board.jinja`
#[derive(Serialize)]
pub struct List {
    pub done: Option<Done>,
    pub heading: &'static str,
    pub tabs: Vec<Tab>,
    pub events: &'static str,
    pub here: &'static str,
    pub may_hand_over: bool,
    pub groups: Vec<Group>,
    pub full: bool,
}

#[derive(Serialize)]
pub struct Group {
    pub title: &'static str,
    pub rows: Vec<Row>,
    pub empty: &'static str,
}

impl Group {
    pub fn new(title: &'static str, empty: &'static str) -> Group {
        Group {
            title,
            rows: Vec::new(),
            empty,
        }
    }
}

/// A score in words, and a colour where it is out of the ordinary.
#[derive(Clone, Serialize)]
pub struct Score {
    pub text: String,
    pub colour: Option<&'static str>,
}

impl Score {
    pub fn quiet(text: &str) -> Score {
        Score {
            text: text.to_owned(),
            colour: Some("grey"),
        }
    }
}

/// A handover.
#[derive(Serialize)]
pub struct Row {
    /// Where it is shown, if the reader may see it.
    pub href: Option<String>,
    pub who: String,
    pub score: Score,
    pub pre_alert: bool,
    pub happened: String,
    pub other: String,
    pub due: String,
    pub waited: String,
    pub mark: Option<Label>,
    pub state: Label,
    /// Nobody here has looked since something came.
    pub news: bool,
}

/// A part of a score.
#[derive(Serialize)]
pub struct Part {
    pub name: &'static str,
    pub value: String,
    pub points: Option<u32>,
}

/// A set of observations.
#[derive(Serialize)]
pub struct Set {
    pub at: Moment,
    pub score: Score,
    pub numbers: Vec<String>,
}

/// A step, and the sheet that came with it.
#[derive(Serialize)]
pub struct Step {
    pub what: String,
    pub when: Moment,
    pub who: String,
    pub note: String,
    /// Where the sheet of it is shown, if it is not the one that stands.
    pub href: Option<String>,
    /// Of a crew's step: how far it got.
    pub told: Vec<String>,
}

/// Where this side's last word is.
#[derive(Serialize)]
pub struct Delivery {
    pub state: Label,
    pub when: Moment,
    pub why: String,
}

/// What a sheet says.
#[derive(Serialize)]
pub struct Told {
    pub score: Score,
    pub missing: String,
    pub measured: Option<Moment>,
    pub parts: Vec<Part>,
    pub sets: Vec<Set>,
    pub happened: String,
    pub found: String,
    pub allergies: String,
    pub treatments: Vec<(Moment, String)>,
}

/// `staff/handover.jinja`
#[derive(Serialize)]
pub struct One {
    pub done: Option<Done>,
    pub errors: Vec<Fault>,
    pub said: Option<String>,
    pub back: &'static str,
    pub patient: Person,
    /// Whom the crew names, where the record says somebody else.
    pub told: Option<Person>,
    pub record: Option<String>,
    pub inward: bool,
    pub other: String,
    pub crew: String,
    pub pre_alert: bool,
    pub state: Label,
    pub due: String,
    pub waited: String,
    pub mark: Option<Label>,
    pub ended: String,
    pub letter: &'static str,
    /// The number of the older sheet that is shown, with when it was said.
    pub older: Option<(u32, Moment)>,
    #[serde(flatten)]
    pub sheet: Told,
    pub steps: Vec<Step>,
    pub delivery: Option<Delivery>,
    pub action: String,
    pub can_arrive: bool,
    pub can_update: bool,
    pub can_begin: bool,
    pub can_receive: bool,
    pub waits_for_clinician: bool,
    pub can_match: bool,
    /// It stands in a record, and can be put into another.
    pub can_move: bool,
    /// It was put here from another record, and can be put back.
    pub was_moved: bool,
    pub receivers: Vec<Receiver>,
    pub typed_act: &'static str,
    pub typed_words: String,
    pub me: String,
    /// What other organisations hold, asked for now.
    pub shared: Option<SharedPage>,
    /// Why that is not shown.
    pub unshared: String,
}

/// `staff/handover-new.jinja`
#[derive(Serialize)]
pub struct New {
    pub errors: Vec<Fault>,
    pub said: Option<String>,
    pub heading: &'static str,
    pub back: String,
    pub action: String,
    pub attempt: String,
    /// The number of the step that an update is written upon; empty for a new one.
    pub seen: String,
    /// Whom it is about, where that is settled.
    pub about: Option<Person>,
    pub receivers: Vec<Receiver>,
    pub typed: std::collections::BTreeMap<&'static str, String>,
    pub treatments: Vec<(String, String)>,
    pub told: Vec<(Moment, String)>,
}

/// `staff/handover-match.jinja`
#[derive(Serialize)]
pub struct Match {
    pub errors: Vec<Fault>,
    pub patient: Person,
    pub other: String,
    pub happened: String,
    pub action: String,
    pub back: String,
    pub sought: String,
    pub candidates: Vec<Candidate>,
    pub can_register: bool,
    /// Whose record it stands in, where it is to be put into another.
    pub from: Option<Person>,
    pub typed_words: String,
}
