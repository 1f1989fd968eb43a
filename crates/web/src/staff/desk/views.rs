//! What the workbench's templates show.

use serde::Serialize;

use crate::page::parts::{Done, Fault, Label, Person, Tab};
use crate::page::trend::Drawing;
use crate::page::words::Moment;
use crate::staff::rules::views::RuleMark;

/// One of several, in a select.
#[derive(Clone, Serialize)]
pub struct One {
    pub value: String,
    pub text: String,
    pub chosen: bool,
}

/// A group of a select's items.
#[derive(Clone, Serialize)]
pub struct Choices {
    pub label: &'static str,
    pub options: Vec<One>,
}

/// A view that somebody saved.
#[derive(Serialize)]
pub struct Saved {
    pub name: String,
    pub href: String,
    pub current: bool,
}

/// `staff/bulk.jinja`: letters that were chosen, and what would be done with them; or what was filed together lately.
#[derive(Serialize)]
pub struct Bulk {
    pub done: Option<Done>,
    /// Why nothing was done just now.
    pub refused: Option<String>,
    pub files: Vec<BulkRow>,
    pub stays: Vec<BulkRow>,
    /// "10 of 12 letters will be filed; …"
    pub said: String,
    /// The numbers of all that were chosen.
    pub chosen: Vec<i64>,
    pub attempt: String,
    /// For how many minutes it can be undone.
    pub minutes: i64,
    pub whose: Vec<Choices>,
    pub filings: Vec<BulkDone>,
}

#[derive(Serialize)]
pub struct BulkRow {
    pub href: String,
    pub patient: Person,
    pub subject: String,
    pub from: String,
    pub received: Moment,
    pub label: Label,
}

/// Letters that were filed together.
#[derive(Serialize)]
pub struct BulkDone {
    pub when: Moment,
    pub who: String,
    pub said: String,
    pub label: Label,
    pub until: Moment,
    /// Where it is undone, while it can be.
    pub undo: Option<String>,
}

/// A task in short, beside its letter.
#[derive(Serialize)]
pub struct TaskLine {
    pub href: String,
    pub whose: String,
    pub due: String,
    pub label: Label,
}

/// `staff/tasks.jinja`
#[derive(Serialize)]
pub struct Tasks {
    pub done: Option<Done>,
    pub tabs: Vec<Tab>,
    pub rows: Vec<TaskRow>,
    pub empty: &'static str,
    pub more: bool,
    /// "3 are overdue."
    pub overdue: Option<String>,
}

#[derive(Serialize)]
pub struct TaskRow {
    /// None where it is withheld.
    pub href: Option<String>,
    pub what: String,
    pub patient: Person,
    pub whose: String,
    pub due: String,
    pub label: Label,
    pub urgent: bool,
    /// Who made it, or who ended it.
    pub by: String,
    pub when: Moment,
    /// The letter that it came of.
    pub letter: Option<String>,
    pub overdue: bool,
}

/// `staff/task-new.jinja`
#[derive(Serialize)]
pub struct TaskNew {
    pub errors: Vec<Fault>,
    pub patient: Person,
    pub patient_id: String,
    pub letter: String,
    /// The letter's subject.
    pub subject: Option<String>,
    pub back: String,
    pub attempt: String,
    pub what: String,
    pub what_error: Option<&'static str>,
    pub due: String,
    pub due_error: Option<&'static str>,
    pub urgent: bool,
    pub whose: Vec<Choices>,
}

/// `staff/task.jinja`
#[derive(Serialize)]
pub struct TaskPage {
    pub done: Option<Done>,
    pub errors: Vec<Fault>,
    /// Why nothing was done just now.
    pub refused: Option<String>,
    pub what: String,
    pub patient: Person,
    pub record: String,
    pub letter: Option<String>,
    /// Of a questionnaire to answer: the form. It is done by answering.
    pub answer: Option<String>,
    /// Of a task to book: the diary, with its patient.
    pub book: Option<String>,
    pub whose: String,
    pub due: String,
    pub due_day: String,
    pub label: Label,
    pub urgent: bool,
    pub made: String,
    pub made_at: Moment,
    pub notes: Vec<TaskNote>,
    /// Whether it can still be worked on.
    pub open: bool,
    pub action: String,
    pub version: i64,
    pub choices: Vec<Choices>,
    pub note: String,
    pub why: String,
    pub why_error: Option<&'static str>,
    pub due_error: Option<&'static str>,
    /// That a rule made it.
    pub rules: Vec<RuleMark>,
}

/// What somebody did with a task.
#[derive(Serialize)]
pub struct TaskNote {
    pub who: String,
    pub when: String,
    pub text: String,
}

/// `staff/neighbours.jinja`
#[derive(Serialize)]
pub struct Neighbours {
    /// None on a node that is in no network.
    pub directory: Option<Directory>,
    pub rows: Vec<NeighbourRow>,
    /// Neighbours beyond those that are listed.
    pub more: usize,
}

#[derive(Serialize)]
pub struct Directory {
    pub version: u64,
    pub members: usize,
    pub until: Moment,
    pub ended: bool,
    pub soon: bool,
}

#[derive(Serialize)]
pub struct NeighbourRow {
    pub name: String,
    pub ods: String,
    pub what: String,
    pub health: Label,
    /// Why, and what happens next.
    pub why: Option<String>,
    pub waiting: u64,
    pub oldest: Option<Moment>,
    pub untold: u64,
    pub answered: Option<Moment>,
    pub receipt: Option<Moment>,
    pub certificate: Option<Moment>,
    pub ends_soon: bool,
}

/// `staff/teams.jinja`
#[derive(Serialize)]
pub struct Teams {
    pub done: Option<Done>,
    pub refused: Option<String>,
    pub teams: Vec<TeamPart>,
    pub people: Vec<PersonRow>,
    pub asked: Vec<AskedRow>,
    pub attempt: String,
    /// Who can be put into a team.
    pub choices: Vec<One>,
    pub name: String,
}

#[derive(Serialize)]
pub struct TeamPart {
    pub id: String,
    pub name: String,
    pub members: Vec<MemberRow>,
    /// Nobody leads it.
    pub leaderless: bool,
}

#[derive(Serialize)]
pub struct MemberRow {
    pub account: i64,
    pub name: String,
    pub role: &'static str,
    pub leads: bool,
}

#[derive(Serialize)]
pub struct PersonRow {
    pub account: i64,
    pub name: String,
    pub role: &'static str,
    pub teams: String,
    pub me: bool,
}

/// What waits for a second person.
#[derive(Serialize)]
pub struct AskedRow {
    pub id: String,
    pub what: String,
    pub by: String,
    pub when: Moment,
    /// Whether who looks may confirm it.
    pub may: bool,
}

/// What a page about one patient has above everything else.
#[derive(Serialize)]
pub struct Head {
    pub patient: Person,
    pub record: String,
    /// What is withheld, in a sentence each, with where it is opened.
    pub withheld: u64,
    pub sealed: u64,
    pub emergency: String,
    pub unseal: String,
    pub timeline: String,
    pub results: String,
    pub task: String,
    pub letter: Option<String>,
}

/// `staff/results.jinja`
#[derive(Serialize)]
pub struct Results {
    pub head: Head,
    pub tests: Vec<Test>,
    /// Results beyond those that were read.
    pub more: bool,
}

/// One test in one unit.
#[derive(Serialize)]
pub struct Test {
    pub name: String,
    pub unit: String,
    pub drawing: Option<Drawing>,
    /// Why there is no band of what is usual in the drawing.
    pub note: Option<&'static str>,
    pub rows: Vec<TestRow>,
    pub more: usize,
}

#[derive(Serialize)]
pub struct TestRow {
    pub when: String,
    pub value: String,
    pub usual: String,
    pub flag: Option<Label>,
    pub status: Option<Label>,
    pub by: String,
}

/// `staff/timeline.jinja`
#[derive(Serialize)]
pub struct Timeline {
    pub head: Head,
    pub tabs: Vec<Tab>,
    pub rows: Vec<TimelineRow>,
    pub more: bool,
    /// Resources of other types, which are not shown.
    pub others: usize,
    pub undated: usize,
}

#[derive(Serialize)]
pub struct TimelineRow {
    pub day: String,
    pub kind: &'static str,
    pub what: String,
    pub by: String,
    pub href: Option<String>,
    pub label: Option<Label>,
}

/// `staff/letter.jinja`: a letter that is written here.
#[derive(Serialize)]
pub struct LetterForm {
    pub done: Option<Done>,
    pub errors: Vec<Fault>,
    pub patient: Person,
    pub patient_id: String,
    pub record: String,
    pub notes: Vec<String>,
    pub action: String,
    pub attempt: String,
    /// The version that it writes over; none where it begins one.
    pub version: Option<i64>,
    /// Who kept it last, and when.
    pub kept: Option<(String, Moment)>,
    pub templates: Vec<One>,
    pub fields: Vec<(String, &'static str)>,
    /// What is missing in it.
    pub gaps: Vec<String>,
    pub title: String,
    pub title_error: Option<&'static str>,
    pub body: String,
    pub body_error: Option<&'static str>,
    pub to: Vec<(String, String)>,
    pub to_error: Option<&'static str>,
    /// Organisations that it may go to: code and name.
    pub known: Vec<(String, String)>,
    pub to_patient: bool,
    pub urgent: bool,
    pub marks: Vec<One>,
    pub mark_error: Option<&'static str>,
}

/// `staff/letter-sign.jinja`
#[derive(Serialize)]
pub struct LetterSign {
    pub patient: Person,
    pub title: String,
    pub copies: Vec<LetterCopy>,
    pub notes: Vec<String>,
    /// When the patient reads it.
    pub release: String,
    pub back: String,
    pub action: String,
    pub version: String,
    pub may: bool,
    pub me: String,
}

/// A copy as it leaves.
#[derive(Serialize)]
pub struct LetterCopy {
    pub to: String,
    pub way: &'static str,
    pub text: String,
}

/// `staff/templates.jinja`
#[derive(Serialize)]
pub struct Templates {
    pub done: Option<Done>,
    pub rows: Vec<TemplateRow>,
}

#[derive(Serialize)]
pub struct TemplateRow {
    pub href: String,
    pub name: String,
    pub team: String,
    pub by: String,
    pub when: Moment,
}

/// `staff/template.jinja`
#[derive(Serialize)]
pub struct TemplateForm {
    pub errors: Vec<Fault>,
    pub refused: Option<String>,
    pub action: String,
    pub attempt: String,
    pub version: Option<i64>,
    pub name: String,
    pub name_error: Option<&'static str>,
    pub body: String,
    pub body_error: Option<&'static str>,
    pub teams: Vec<One>,
    pub fields: Vec<(String, &'static str)>,
}
