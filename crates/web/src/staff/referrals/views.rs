//! What the templates of the pages about referrals show.

use serde::Serialize;

use crate::page::parts::{Content, Done, Fault, Label, Person, Step, Tab};
use crate::page::words::Moment;
use crate::staff::views::Candidate;

/// `staff/referrals.jinja`
#[derive(Serialize)]
pub struct List {
    pub done: Option<Done>,
    pub tabs: Vec<Tab>,
    pub events: &'static str,
    pub here: String,
    pub is_sent: bool,
    pub may_refer: bool,
    pub rows: Vec<Row>,
    pub full: bool,
    pub empty: &'static str,
}

/// A referral.
#[derive(Serialize)]
pub struct Row {
    /// Where it is shown, if the reader may see it.
    pub href: Option<String>,
    pub patient: Person,
    pub service: String,
    pub other: String,
    pub urgency: Label,
    pub state: Label,
    pub since: Moment,
    pub detail: String,
    /// Nobody here has looked since something came.
    pub news: bool,
}

/// What is asked for.
#[derive(Serialize)]
pub struct Request {
    pub service: String,
    pub reason: String,
    pub question: String,
    pub referrer: String,
}

impl Request {
    pub fn of(request: &exchange::referrals::Request) -> Request {
        Request {
            service: request.service.clone(),
            reason: request.reason.clone(),
            question: request.question.clone(),
            referrer: request.referrer.clone(),
        }
    }
}

/// Where this side's last word is.
#[derive(Serialize)]
pub struct Delivery {
    pub state: Label,
    pub when: Moment,
    pub why: String,
}

/// A free slot.
#[derive(Serialize)]
pub struct Slot {
    pub id: String,
    pub text: String,
}

/// What was typed into a form that did not pass.
#[derive(Serialize)]
pub struct Typed {
    pub act: &'static str,
    pub words: String,
    pub promised_by: String,
}

/// `staff/referral.jinja`
#[derive(Serialize)]
pub struct One {
    pub errors: Vec<Fault>,
    pub said: Option<String>,
    pub patient: Person,
    pub record: String,
    pub inward: bool,
    pub other: String,
    pub by_bars: bool,
    /// Whether decisions get back the same way.
    pub tells_back: bool,
    pub request: Request,
    pub urgency: Label,
    pub state: Label,
    pub promised: Option<String>,
    pub enclosed: Vec<Content>,
    pub steps: Vec<Step>,
    pub delivery: Option<Delivery>,
    pub action: String,
    pub can_triage: bool,
    pub waits_for_clinician: bool,
    pub can_reply: bool,
    pub can_withdraw: bool,
    pub slots: Vec<Slot>,
    pub no_diary: bool,
    pub typed: Typed,
    pub me: String,
}

/// An organisation that can be asked.
#[derive(Serialize)]
pub struct Receiver {
    pub ods: String,
    pub name: String,
    pub chosen: bool,
}

/// A letter on record that may go along with a referral.
#[derive(Serialize)]
pub struct Letter {
    pub id: String,
    pub title: String,
    pub from: Option<String>,
    pub dated: Moment,
    pub chosen: bool,
}

/// `staff/referral-new.jinja`
#[derive(Serialize)]
pub struct New {
    pub errors: Vec<Fault>,
    pub said: Option<String>,
    pub attempt: String,
    pub nhs_number: String,
    pub born: String,
    pub family: String,
    pub receivers: Vec<Receiver>,
    pub service: String,
    pub urgency: String,
    pub referrer: String,
    pub reason: String,
    pub question: String,
    pub summary: bool,
    /// Letters that may go along.
    pub letters: Vec<Letter>,
    /// What is said of those that may not.
    pub letters_more: Option<String>,
    pub held_back: bool,
}

/// `staff/referral-match.jinja`
#[derive(Serialize)]
pub struct Unmatched {
    pub errors: Vec<Fault>,
    pub patient: Person,
    pub other: String,
    pub came: Moment,
    pub why: String,
    pub request: Request,
    pub urgency: Label,
    pub action: String,
    pub sought: String,
    pub candidates: Vec<Candidate>,
    pub can_register: bool,
    pub can_return: bool,
    pub reason: String,
    pub said: Option<String>,
}
