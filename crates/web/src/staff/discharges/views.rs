//! What the templates of discharges show.

use serde::Serialize;

use crate::page::parts::{Done, Fault, Person};
use crate::page::words::Moment;

/// `staff/discharge.jinja`
#[derive(Serialize)]
pub struct Form {
    pub done: Option<Done>,
    pub errors: Vec<Fault>,
    pub patient: Person,
    pub record: String,
    /// What is withheld from the writer, or not copied.
    pub notes: Vec<String>,
    pub action: String,
    pub patient_id: String,
    /// The name of the draft that it begins.
    pub attempt: String,
    /// The version that it writes over.
    pub version: Option<String>,
    pub kept: Option<Kept>,
    /// Of a new version: what it takes the place of, and why.
    pub amends: Option<Amends>,
    pub days: Vec<Text>,
    pub before: Vec<Text>,
    pub after: Vec<Text>,
    pub medicines: Vec<Medicine>,
    pub medicines_error: Option<&'static str>,
    pub no_medicines: bool,
    pub readers: Vec<Reader>,
    pub urgent: bool,
    pub marks: Vec<Choice>,
}

/// The signed version that a draft amends.
#[derive(Serialize)]
pub struct Amends {
    pub draft: String,
    pub signed: String,
    pub why: Text,
}

/// `staff/discharges-signed.jinja`
#[derive(Serialize)]
pub struct SignedList {
    pub patient: Person,
    pub record: String,
    pub rows: Vec<Signed>,
    pub withheld: bool,
    pub more: bool,
}

/// A discharge that was signed.
#[derive(Serialize)]
pub struct Signed {
    pub when: Moment,
    pub by: String,
    pub amended: bool,
    pub amend: String,
}

/// When a draft was kept last, and by whom.
#[derive(Serialize)]
pub struct Kept {
    pub at: Moment,
    pub by: String,
}

/// A field for words.
#[derive(Serialize)]
pub struct Text {
    pub field: &'static str,
    pub label: &'static str,
    pub hint: &'static str,
    pub value: String,
    pub error: Option<&'static str>,
}

/// A line of the list of medicines.
#[derive(Serialize)]
pub struct Medicine {
    pub number: usize,
    pub name: String,
    pub dose: String,
    pub reason: String,
    pub fates: Vec<Choice>,
}

/// One of several.
#[derive(Serialize)]
pub struct Choice {
    pub value: &'static str,
    pub text: &'static str,
    pub chosen: bool,
}

/// Who is written to.
#[derive(Serialize)]
pub struct Reader {
    pub field: &'static str,
    pub label: &'static str,
    /// An ODS code, and the name that the directory has for it.
    pub value: String,
    pub name: String,
    pub error: Option<&'static str>,
    /// Organisations that it may be: code and name.
    pub known: Vec<(String, String)>,
}

/// `staff/discharge-sign.jinja`
#[derive(Serialize)]
pub struct Sign {
    pub patient: Person,
    pub letters: Vec<Letter>,
    /// Who is not written to.
    pub nobody: Vec<&'static str>,
    pub notes: Vec<String>,
    /// When the patient reads it.
    pub release: String,
    pub back: String,
    pub action: String,
    pub version: String,
    pub may: bool,
    pub me: String,
}

/// A letter as it would leave.
#[derive(Serialize)]
pub struct Letter {
    pub title: &'static str,
    pub to: String,
    /// Heading and text.
    pub sections: Vec<(String, String)>,
}

/// `staff/unsigned.jinja`
#[derive(Serialize)]
pub struct UnsignedList {
    pub done: Option<Done>,
    pub rows: Vec<Unsigned>,
    pub more: bool,
}

/// Something that nobody has signed.
#[derive(Serialize)]
pub struct Unsigned {
    pub href: Option<String>,
    pub what: &'static str,
    pub patient: Person,
    pub author: String,
    /// Whoever wrote it left; who takes it on.
    pub left: Option<String>,
    pub begun: Moment,
    pub changed: Moment,
}
