//! What the patients' templates show.

use serde::Serialize;

use crate::page::parts::{Content, Done, Fault, Label, Step};
use crate::page::words::Moment;

/// `patient/home.jinja`
#[derive(Serialize)]
pub struct Home {
    pub t: &'static std::collections::BTreeMap<&'static str, String>,
    pub lang: &'static str,
    pub heading: String,
    /// The newest result.
    pub result: Option<crate::patient::record::views::Newest>,
    /// How many messages are new, in words; none where no messages are written.
    pub messages: Option<String>,
    /// What to do next, the most pressing first.
    pub next: Vec<TileLink>,
    /// How many questionnaires are to be answered, in words; none for none.
    pub questionnaires: Option<String>,
    /// One acts for somebody else.
    pub acting: bool,
    /// One may see who looked at the other's record.
    pub who_looked: bool,
    /// How many people may act for the patient, in words.
    pub people: Option<String>,
    /// How many letters there are, in words.
    pub letters: String,
    pub appointments: Tile,
    pub newest: Vec<Letter>,
    /// The way to prescriptions, where medicines are ordered here.
    pub prescriptions: Option<crate::patient::prescriptions::views::Tile>,
    /// The way to referrals, where there are any.
    pub referrals: Option<ReferralsTile>,
    /// Who opened the record of their own accord, newest first.
    pub told: Vec<Told>,
    /// Where the patient is registered now, if not here any more.
    pub moved: Option<Moved>,
    pub not_here: Option<&'static str>,
    pub done: Option<Done>,
}

/// That the patient is registered elsewhere now.
#[derive(Serialize)]
pub struct Moved {
    pub lang: &'static str,
    pub text: String,
}

/// What the home page says of referrals.
#[derive(Serialize)]
pub struct ReferralsTile {
    pub lang: &'static str,
    pub heading: &'static str,
    pub said: String,
}

/// What the home page says of appointments.
#[derive(Serialize)]
pub struct Tile {
    pub lang: &'static str,
    pub heading: &'static str,
    pub said: String,
    pub next: Option<TileLink>,
    pub book: &'static str,
}

/// A link with words of its own.
#[derive(Serialize)]
pub struct TileLink {
    pub href: String,
    pub text: String,
}

/// What the patient is told of.
#[derive(Serialize)]
pub struct Told {
    pub when: Moment,
    pub what: String,
    pub why: String,
}

/// A letter in a list.
#[derive(Serialize)]
pub struct Letter {
    pub href: String,
    pub title: String,
    pub from: String,
    pub dated: Moment,
    /// It was replaced, withdrawn or entered in error.
    pub withdrawn: bool,
}

/// `patient/letters.jinja`
#[derive(Serialize)]
pub struct Letters {
    pub heading: &'static str,
    pub letters: Vec<Letter>,
    /// What is not shown, and why, in honest sentences.
    pub not_shown: Vec<String>,
    pub older: Option<String>,
    pub newest: Option<String>,
}

/// `patient/letter.jinja`
#[derive(Serialize)]
pub struct LetterPage {
    pub title: String,
    pub from: String,
    pub author: Option<String>,
    pub dated: Option<Moment>,
    pub notice: Option<&'static str>,
    pub content: Vec<Content>,
    pub journey: Vec<Step>,
}

/// `patient/access-log.jinja`
#[derive(Serialize)]
pub struct AccessLog {
    pub rows: Vec<Look>,
    pub organisation: String,
    pub older: Option<String>,
    pub newest: Option<String>,
}

/// What one request did to the record.
#[derive(Serialize)]
pub struct Look {
    pub when: Moment,
    pub who: String,
    /// Role and organisation.
    pub role: String,
    pub did: String,
    /// What sorts of thing it was about.
    pub about: String,
    pub why: String,
    pub label: Option<Label>,
    /// Where the patient asks why.
    pub ask: Option<String>,
    /// Lines of the log that it stands for.
    pub entries: usize,
}

/// `patient/sharing.jinja`
#[derive(Serialize)]
pub struct Sharing {
    pub done: Option<Done>,
    pub error: Option<&'static str>,
    /// What there is, as the columns' heads.
    pub categories: Vec<&'static str>,
    pub organisations: Vec<Switches>,
    /// Of the patient's own; none while somebody acts for them.
    pub opt_out: Option<OptOut>,
    pub tellings: Vec<Telling>,
}

/// The national data opt-out.
#[derive(Serialize)]
pub struct OptOut {
    /// What the national service answered and when, or that it was not asked.
    pub said: String,
}

/// One organisation's row of switches.
#[derive(Serialize)]
pub struct Switches {
    pub name: String,
    pub switches: Vec<Switch>,
}

/// Whether one organisation sees one category.
#[derive(Serialize)]
pub struct Switch {
    pub category: &'static str,
    pub shared: bool,
    /// Until when it is not, if not for good.
    pub until: Option<Moment>,
    /// What pressing it sets; none if it was set with the practice.
    pub value: Option<String>,
}

/// How far one organisation was told.
#[derive(Serialize)]
pub struct Telling {
    pub organisation: String,
    pub state: Label,
    pub when: Moment,
    pub reason: Option<String>,
    /// When something was first withheld there because of it.
    pub refused: Option<Moment>,
    /// The signed receipts, if any.
    pub receipts: Option<String>,
}

/// `patient/people.jinja`
#[derive(Serialize)]
pub struct People {
    pub done: Option<Done>,
    pub errors: Vec<Fault>,
    /// For whom the patient may act.
    pub by_me: Vec<LeaveRow>,
    /// Who may act for the patient.
    pub for_me: Vec<LeaveRow>,
    /// Codes that nobody has used.
    pub offers: Vec<OfferRow>,
    /// A code that was made just now; it is shown once.
    pub new_code: Option<Code>,
    pub categories: Vec<Choice>,
    pub name: String,
    pub name_error: Option<&'static str>,
    pub see_error: Option<&'static str>,
    pub until: String,
    pub until_error: Option<&'static str>,
    /// For how long at most.
    pub months: u16,
    pub code_error: Option<&'static str>,
}

/// `patient/acting.jinja`
#[derive(Serialize)]
pub struct ActingNow {
    pub name: String,
}

/// Leave to act for somebody.
#[derive(Serialize)]
pub struct LeaveRow {
    pub number: i64,
    pub patient: String,
    pub person: String,
    /// What is shown, in words.
    pub sees: String,
    /// The last day.
    pub until: Moment,
    pub by: String,
    pub reason: String,
    /// What keeps it from being used.
    pub state: Option<&'static str>,
}

/// A code that waits for somebody.
#[derive(Serialize)]
pub struct OfferRow {
    pub name: String,
    pub until: Moment,
}

/// A code, for whom, and where it is entered.
#[derive(Serialize)]
pub struct Code {
    pub code: String,
    pub name: String,
    pub until: Moment,
    pub address: String,
}

/// A box to tick.
#[derive(Serialize)]
pub struct Choice {
    pub name: String,
    pub text: &'static str,
    pub checked: bool,
}
