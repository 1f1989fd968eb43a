//! What the staff's templates show. Typed, since the engine takes a misspelt name for nothing.

use serde::Serialize;

use crate::page::parts::{Content, Done, Fault, Label, Link, Person, Step, Tab};
use crate::page::words::Moment;
use crate::patient::views::Choice;
use crate::staff::desk::views::{Choices, Saved, TaskLine};
use crate::staff::rules::views::RuleMark;

/// `staff/inbox.jinja`
#[derive(Serialize)]
pub struct Inbox {
    pub heading: &'static str,
    /// Which tab is open; a form keeps it.
    pub show: &'static str,
    pub tabs: Vec<Tab>,
    pub senders: Vec<Sender>,
    pub urgent: bool,
    /// The choice of whose letters are shown.
    pub whose: Vec<Choices>,
    /// Views that the reader saved.
    pub saved: Vec<Saved>,
    /// What narrows this list, as it would be saved.
    pub query: String,
    pub rows: Vec<InboxRow>,
    /// What to say when there are no rows.
    pub empty: &'static str,
    /// What a list that is narrowed to a sender leaves out.
    pub narrowed: Option<&'static str>,
    pub older: Option<String>,
    pub newest: Option<String>,
    pub done: Option<Done>,
    /// What the caller opened and was withdrawn or replaced since.
    pub notices: Vec<Notice>,
}

/// A letter that the caller opened and that no longer holds.
#[derive(Serialize)]
pub struct Notice {
    pub text: String,
    pub href: String,
    pub when: Moment,
    /// Where to say that one has seen it.
    pub seen: String,
}

#[derive(Serialize)]
pub struct Sender {
    pub value: String,
    pub text: String,
    pub chosen: bool,
}

#[derive(Serialize)]
pub struct InboxRow {
    pub pid: i64,
    /// Whose work it is, if anybody's.
    pub whose: Option<String>,
    pub href: String,
    pub patient: Person,
    pub subject: String,
    pub from: String,
    pub urgency: Label,
    pub received: Moment,
    pub state: Label,
    /// Nobody has opened it yet.
    pub unread: bool,
    /// That a rule filed it.
    pub rule: Option<String>,
}

/// `staff/item.jinja`: a letter beside its actions, at the receiver and at the sender.
#[derive(Serialize)]
pub struct Item {
    pub back: Link,
    pub done: Option<Done>,
    pub errors: Vec<Fault>,
    /// Who was faster.
    pub overtaken: Option<String>,
    pub work: Option<WhoseWork>,
    pub subject: String,
    pub patient: Person,
    /// The patient's page, where the letter is in a record here.
    pub record: Option<String>,
    pub urgency: Label,
    pub from: String,
    pub author: Option<String>,
    /// It came by fax: there is nobody to send it back to, or to be told of what is done.
    pub by_fax: bool,
    /// What is to be known of how it came, where it came otherwise than from a node.
    pub source: Option<&'static str>,
    /// "written", "received" or "sent".
    pub dated_word: &'static str,
    pub dated: Moment,
    pub content: Vec<Content>,
    pub state: Label,
    pub since: Moment,
    pub notice: Option<String>,
    pub matching: Option<Matching>,
    /// The address below which the actions stand.
    pub action: String,
    pub can_file: bool,
    pub file_note: &'static str,
    pub can_act: bool,
    pub can_return: bool,
    pub can_hold_back: bool,
    pub can_release: bool,
    pub marks: Vec<Reason>,
    pub mark_error: Option<&'static str>,
    pub held_why: String,
    pub held_why_error: Option<&'static str>,
    pub can_withdraw: bool,
    pub can_send_again: bool,
    /// Which action's form is unfolded.
    pub open: &'static str,
    /// Who records an outcome.
    pub me: String,
    pub outcome: String,
    pub outcome_error: Option<&'static str>,
    pub reasons: Vec<Reason>,
    pub reason_error: Option<&'static str>,
    pub note: String,
    pub note_error: Option<&'static str>,
    pub why: String,
    pub why_error: Option<&'static str>,
    pub journey: Vec<Step>,
    /// Where the signed receipts are, if there are any.
    pub receipts: Option<String>,
    pub parcel: String,
}

/// Whose work a letter is, and what is to be done about it.
#[derive(Serialize)]
pub struct WhoseWork {
    pub whose: Vec<Choices>,
    /// Who gave it, and when.
    pub said: Option<String>,
    pub tasks: Vec<TaskLine>,
    pub more: bool,
    /// Where a task is made of it.
    pub new: Option<String>,
    /// What rules did with it.
    pub rules: Vec<RuleMark>,
}

/// `staff/withheld.jinja`: a letter of which only that it is there is shown.
#[derive(Serialize)]
pub struct WithheldItem {
    pub back: Link,
    pub subject: String,
    pub patient: Person,
    /// Why it is withheld, in a sentence.
    pub said: &'static str,
    /// "Received" or "Accepted".
    pub dated_word: &'static str,
    pub dated: Moment,
    pub state: Label,
    /// How to come to it where care needs it.
    pub ways: Vec<Link>,
}

/// A reason to return a letter: an item of the radios.
#[derive(Serialize)]
pub struct Reason {
    pub value: &'static str,
    pub text: &'static str,
    pub checked: bool,
}

/// Finding out whom a letter is about.
#[derive(Serialize)]
pub struct Matching {
    pub why: String,
    pub sought: String,
    pub candidates: Vec<Candidate>,
}

/// A patient here whom the letter may be about, compared with what the letter says.
#[derive(Serialize)]
pub struct Candidate {
    pub value: String,
    pub name: String,
    pub born: Option<String>,
    pub nhs_number: Option<String>,
    pub same_name: bool,
    pub same_born: bool,
    pub same_number: bool,
}

/// `staff/sent.jinja`
#[derive(Serialize)]
pub struct Sent {
    pub tabs: Vec<Tab>,
    pub rows: Vec<SentRow>,
    pub empty: &'static str,
    pub older: Option<String>,
    pub newest: Option<String>,
    pub done: Option<Done>,
    /// Where changes are announced.
    pub events: &'static str,
    /// This page's own address.
    pub here: String,
}

#[derive(Serialize)]
pub struct SentRow {
    pub id: String,
    pub href: String,
    pub patient: Person,
    pub subject: String,
    pub to: String,
    pub state: Label,
    pub since: Moment,
    /// What happened last, in plain words.
    pub detail: Option<String>,
}

/// `staff/worklist.jinja`
#[derive(Serialize)]
pub struct WorkList {
    pub groups: Vec<Group>,
    pub done: Option<Done>,
}

#[derive(Serialize)]
pub struct Group {
    pub id: &'static str,
    pub title: &'static str,
    pub count: String,
    pub rows: Vec<Work>,
    pub empty: &'static str,
    /// Where there are more than are shown, or before what is shown.
    pub more: Option<More>,
}

/// What is said below the rows of a group that does not show all, and the ways to the rest.
#[derive(Serialize)]
pub struct More {
    pub said: String,
    pub next: Option<String>,
    pub first: Option<&'static str>,
}

/// Something that did not go through.
#[derive(Serialize)]
pub struct Work {
    pub when: Moment,
    pub what: String,
    pub href: Option<String>,
    pub state: Label,
    pub why: String,
    pub next: String,
    pub actions: Vec<Link>,
}

/// `staff/message.jinja`: an HL7 message as it came.
#[derive(Serialize)]
pub struct Message {
    pub what: String,
    pub system: String,
    pub state: Label,
    pub received: Moment,
    pub why: String,
    pub next: String,
    pub text: String,
    pub answer: String,
    /// Only the structure is shown.
    pub masked: bool,
    /// The records whose reader sees all of it.
    pub withheld: Vec<Opens>,
    /// Where one sees where the restricted patients live whom it may be about.
    pub restricted: Vec<String>,
    pub actions: Vec<Link>,
}

/// Where a record that is withheld is opened.
#[derive(Serialize)]
pub struct Opens {
    pub relationship: String,
    pub emergency: String,
}

/// `staff/opening.jinja`: the form that opens a record.
#[derive(Serialize)]
pub struct Opening {
    pub heading: &'static str,
    pub said: String,
    pub action: String,
    pub errors: Vec<Fault>,
    pub reasons: Vec<Reason>,
    pub code_error: Option<&'static str>,
    /// For how long it may be opened; none where that is not to be chosen.
    pub durations: Vec<Duration>,
    pub minutes_error: Option<&'static str>,
    pub reason: String,
    pub reason_error: Option<&'static str>,
}

/// For how many minutes a record may be opened.
#[derive(Serialize)]
pub struct Duration {
    pub value: u32,
    pub text: String,
    pub chosen: bool,
}

/// `staff/second-step.jinja`
#[derive(Serialize)]
pub struct SecondStep {
    pub heading: &'static str,
    /// Where one is set up.
    pub profile: &'static str,
}

/// `staff/patient.jinja`: what is here of one patient.
#[derive(Serialize)]
pub struct PatientPage {
    pub patient: Person,
    pub name: String,
    pub counts: Vec<Count>,
    pub more: bool,
    pub withheld: u64,
    pub sealed: u64,
    pub emergency: String,
    pub unseal: String,
    /// Where they live and how they are reached, as far as the record says.
    pub lives: Vec<String>,
    /// Whether that is restricted, and whether it was released to who reads the page.
    pub restricted: bool,
    pub released: bool,
    pub locate: String,
    /// Where it is released to a team.
    pub team: String,
    /// What PDS says beside what is held here.
    pub pds: Option<crate::staff::pds::Part>,
    /// Who acts for them, and whether the record is shown online; none for who may not look.
    pub people: String,
    pub timeline: String,
    pub results: String,
    pub questionnaires: String,
    pub task: String,
    /// Where a letter is written, on a node that is in a network.
    pub letter: Option<String>,
    /// Where the patient is referred, on a node that is in a network.
    pub refer: Option<String>,
    /// Where other organisations are asked.
    pub shared: String,
    /// Where a discharge is written, at a hospital.
    pub discharge: Option<String>,
    /// Those that were signed.
    pub discharges: Option<String>,
    pub crisis_plan: String,
    pub visit: String,
}

/// How many there are of something.
#[derive(Serialize)]
pub struct Count {
    pub what: String,
    pub count: u64,
}

/// `staff/privacy-log.jinja`: who looked at one record.
#[derive(Default, Serialize)]
pub struct PrivacyLog {
    /// A Patient id; none before one was asked for.
    pub patient: Option<String>,
    pub typed: String,
    pub errors: Vec<Fault>,
    pub rows: Vec<PrivacyLook>,
    pub older: Option<String>,
    pub newest: Option<String>,
}

/// One line of it.
#[derive(Serialize)]
pub struct PrivacyLook {
    pub when: Moment,
    pub who: String,
    /// Role and organisation.
    pub role: String,
    pub did: String,
    pub about: String,
    pub why: String,
    pub label: Option<Label>,
}

/// `staff/privacy.jinja`: the privacy officer's list.
#[derive(Serialize)]
pub struct Privacy {
    pub done: Option<Done>,
    pub late: usize,
    pub rows: Vec<PrivacyRow>,
}

/// One item of it.
#[derive(Serialize)]
pub struct PrivacyRow {
    pub when: Moment,
    pub what: &'static str,
    pub who: String,
    pub patient: String,
    pub why: String,
    pub state: Label,
    pub outcome: String,
    /// Where it is worked; none for one's own and for what is done.
    pub action: Option<String>,
    pub number: i64,
}

/// `staff/proxies.jinja`: who may act for a patient, and whether the record is shown online.
#[derive(Serialize)]
pub struct Proxies {
    pub done: Option<Done>,
    pub errors: Vec<Fault>,
    pub patient: Person,
    pub action: String,
    /// The patient's page.
    pub back: String,
    pub rows: Vec<ProxyRow>,
    pub categories: Vec<Choice>,
    pub nhs_number: String,
    pub born: String,
    pub family: String,
    pub until: String,
    pub reason: String,
    /// An adult's last so long at most.
    pub months: u16,
    /// When a child's are looked at again, and when they end.
    pub ages: [u16; 2],
    pub paused: Option<String>,
    /// The patient's own pages do not tell of their own use.
    pub hidden: bool,
}

/// Somebody who may act for the patient.
#[derive(Serialize)]
pub struct ProxyRow {
    pub number: i64,
    pub name: String,
    pub sees: String,
    /// The last day.
    pub until: Moment,
    pub by: String,
    pub state: Label,
}
