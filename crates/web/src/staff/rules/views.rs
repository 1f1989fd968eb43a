//! What the pages of rules show.

use serde::Serialize;

use crate::page::parts::{Done, Label, Person};
use crate::page::words::Moment;

/// `staff/rules.jinja`
#[derive(Serialize)]
pub struct Rules {
    pub done: Option<Done>,
    pub rows: Vec<RuleRow>,
    pub more: bool,
    /// Titles of rules that are on and whose PlanDefinition is not here any more.
    pub gone: Vec<String>,
    /// Whether there are examples that are not on the list.
    pub lacks_examples: bool,
}

#[derive(Serialize)]
pub struct RuleRow {
    pub href: String,
    pub title: String,
    pub description: String,
    pub label: Label,
    pub since: Option<Moment>,
    pub who: Option<String>,
    /// Why it cannot be switched on.
    pub fault: Option<String>,
}

/// `staff/rule.jinja`
#[derive(Serialize)]
pub struct One {
    pub done: Option<Done>,
    pub undone: Option<String>,
    pub refused: Option<String>,
    pub title: String,
    pub description: String,
    pub href: String,
    pub label: Label,
    pub since: Option<Moment>,
    pub who: Option<String>,
    pub on: bool,
    /// What is on is an earlier version.
    pub changed: bool,
    pub retired: bool,
    pub version: u64,
    /// What it says now, and, where that is not what is in force, what is.
    pub parts: Vec<Part>,
    pub in_force: Vec<Part>,
    pub fault: Option<String>,
    /// What is not here that it needs, and so keeps it from being switched on.
    pub lacks: Option<String>,
    pub trial: Option<Trial>,
    pub acts: Vec<ActRow>,
    pub acts_more: bool,
    /// The day that "undo since" begins with.
    pub since_day: String,
}

/// One "when, if, then" of a rule.
#[derive(Serialize)]
pub struct Part {
    pub title: String,
    pub when: Vec<&'static str>,
    pub conditions: Vec<Condition>,
    pub steps: Vec<StepLine>,
}

/// What a rule does, and of a step that asks the questionnaire's canonical address, and its preview if it is here.
#[derive(Serialize)]
pub struct StepLine {
    pub said: String,
    pub canonical: String,
    pub form: Option<String>,
}

#[derive(Serialize)]
pub struct Condition {
    pub said: String,
    /// As the rule writes it.
    pub path: String,
}

/// What a rule would have done.
#[derive(Serialize)]
pub struct Trial {
    pub since: Moment,
    /// In sentences.
    pub said: Vec<String>,
    pub rows: Vec<TrialRow>,
    /// Whether not all that came was looked at, or not all that was found is listed.
    pub cut: Option<String>,
}

#[derive(Serialize)]
pub struct TrialRow {
    pub patient: Person,
    pub what: String,
    pub href: Option<String>,
    pub when: Moment,
    pub would: String,
}

/// What a rule did.
#[derive(Serialize)]
pub struct ActRow {
    pub when: Moment,
    pub patient: Person,
    pub what: String,
    pub href: Option<String>,
    pub did: String,
    pub label: Label,
    /// Until when, or by whom it was undone.
    pub more: String,
    pub undo: Option<String>,
}

/// That a rule did something with a letter or task, on its page.
#[derive(Serialize)]
pub struct RuleMark {
    pub said: String,
    pub rule: String,
    /// Where it is undone, while it can be.
    pub undo: Option<String>,
    /// The word by which undoing leads back.
    pub back: &'static str,
}
