//! What the templates of the prescribers' and the pharmacists' pages show.

use serde::Serialize;

use crate::page::parts::{Done, Fault, Label, Person};
use crate::page::words::Moment;

/// `staff/prescriptions.jinja`
#[derive(Serialize)]
pub struct Queue {
    pub done: Option<Done>,
    pub rows: Vec<Row>,
    /// What was approved and is not done.
    pub under_way: Vec<UnderWay>,
    /// Items asked for that are withheld from the reader.
    pub withheld: u64,
    /// There are more than are listed.
    pub more: bool,
    pub stand_in: bool,
    /// Prescriptions leave by the practice's own system.
    pub outside: bool,
    pub may: bool,
}

/// An order that was approved and is not done.
#[derive(Serialize)]
pub struct UnderWay {
    pub href: String,
    pub patient: String,
    pub name: String,
    pub what: &'static str,
    pub asked: Moment,
}

/// A request.
#[derive(Serialize)]
pub struct Row {
    pub href: String,
    /// Where it is approved as it stands, if it is clean and the reader may.
    pub approve: Option<String>,
    /// What the reader has seen.
    pub seen: String,
    pub patient: Person,
    pub asked: Moment,
    pub items: Vec<Item>,
    pub allergies: String,
    pub allergy_mark: Option<Label>,
    pub state: Label,
    /// Why it is not clean.
    pub why: String,
    /// The same without what each item says of itself.
    pub besides: String,
}

/// An item of a request.
#[derive(Serialize)]
pub struct Item {
    pub task: String,
    pub name: String,
    pub dose: String,
    pub quantity: String,
    pub last: Option<Moment>,
    pub review: Option<Moment>,
    pub left: Option<String>,
    pub doubt: Option<&'static str>,
}

/// `staff/prescription.jinja`
#[derive(Serialize)]
pub struct One {
    pub errors: Vec<Fault>,
    pub said: Option<String>,
    pub reason: String,
    pub row: Row,
    pub action: String,
    pub may: bool,
    pub me: String,
    pub record: String,
    pub requests_withheld: u64,
    pub pharmacy: String,
    pub stand_in: bool,
    pub decided: Vec<Decided>,
    /// Why an item may be cancelled.
    pub reasons: Vec<Reason>,
}

/// Why an item may be cancelled, as EPS has it.
#[derive(Serialize)]
pub struct Reason {
    pub code: &'static str,
    pub name: &'static str,
}

/// An item that was decided.
#[derive(Serialize)]
pub struct Decided {
    pub name: String,
    pub what: &'static str,
    pub who: String,
    pub reason: String,
    /// That it was not cancelled, and why not.
    pub outcome: Option<String>,
    pub task: String,
    pub can_cancel: bool,
}

/// `staff/dispensing.jinja`
#[derive(Serialize)]
pub struct Dispensing {
    pub done: Option<Done>,
    pub error: Option<String>,
    pub prescriptions: Vec<Prescription>,
    pub withheld: u64,
    pub more: bool,
    /// Whether this pharmacy is connected to EPS, or its stand-in.
    pub connected: bool,
}

/// A prescription at the pharmacy.
#[derive(Serialize)]
pub struct Prescription {
    pub number: String,
    pub patient: Person,
    pub practice: String,
    pub came: Moment,
    pub items: Vec<Dispensed>,
    /// It can be given back.
    pub can_return: bool,
}

/// An item at the pharmacy, and what can be done with it.
#[derive(Serialize)]
pub struct Dispensed {
    pub task: String,
    pub name: String,
    pub dose: String,
    pub quantity: String,
    pub state: Label,
    pub note: String,
    pub can_ready: bool,
    pub can_part: bool,
    pub can_refuse: bool,
    pub can_collect: bool,
}
