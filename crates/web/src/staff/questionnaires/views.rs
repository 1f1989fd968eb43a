//! What staff's templates of questionnaires show.

use serde::Serialize;

use crate::page::parts::{Done, Fault, Label, Person, Tab};
use crate::staff::desk::views::Head;

/// `staff/questionnaires.jinja`
#[derive(Serialize)]
pub struct List {
    pub done: Option<Done>,
    pub tabs: Vec<Tab>,
    pub rows: Vec<AskRow>,
    pub empty: &'static str,
    pub more: bool,
    pub forms: Vec<FormRow>,
}

/// One that was asked.
#[derive(Serialize)]
pub struct AskRow {
    /// None for what is withheld.
    pub href: Option<String>,
    pub title: String,
    pub patient: Person,
    pub state: Label,
    pub who: &'static str,
    pub due: String,
    pub when: String,
    pub unread: bool,
}

/// One that is here.
#[derive(Serialize)]
pub struct FormRow {
    pub href: Option<String>,
    pub title: String,
    pub version: String,
    pub state: Label,
    /// Why it cannot be answered here.
    pub refused: Option<String>,
    pub asked: u64,
    pub answered: u64,
    pub overdue: u64,
    pub unseen: u64,
}

/// `staff/patient-questionnaires.jinja`
#[derive(Serialize)]
pub struct OfPatient {
    pub head: Head,
    pub done: Option<Done>,
    pub errors: Vec<Fault>,
    pub rows: Vec<AskRow>,
    pub more: bool,
    pub action: String,
    pub attempt: String,
    pub forms: Vec<Pick>,
    pub form_error: Option<&'static str>,
    pub who: Vec<Pick>,
    pub due: String,
    pub due_error: Option<&'static str>,
    pub reason: String,
    pub reason_error: Option<&'static str>,
}

/// One of several to choose.
#[derive(Serialize)]
pub struct Pick {
    pub value: String,
    pub text: String,
    pub checked: bool,
    pub selected: bool,
}
