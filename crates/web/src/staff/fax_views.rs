//! What the templates about faxes show.

use serde::Serialize;

use crate::page::parts::{Done, Fault, Label, Link, Tab};
use crate::page::words::Moment;

/// `staff/faxes.jinja`: faxes that came in.
#[derive(Serialize)]
pub struct Faxes {
    pub tabs: Vec<Tab>,
    pub rows: Vec<FaxRow>,
    pub empty: &'static str,
    pub done: Option<Done>,
}

#[derive(Serialize)]
pub struct FaxRow {
    pub href: String,
    /// The number as it is read, or what the line said instead.
    pub from: String,
    /// Whose number the list says it is.
    pub listed: Option<String>,
    pub received: Moment,
    pub pages: u32,
    pub state: Label,
    /// Why it cannot be read, or was set aside.
    pub note: String,
}

/// `staff/fax.jinja`: one of them.
#[derive(Serialize)]
pub struct Fax {
    pub errors: Vec<Fault>,
    pub number: i64,
    pub action: String,
    pub from: String,
    pub listed: Option<String>,
    pub station: String,
    pub received: Moment,
    pub pages: u32,
    pub state: Label,
    /// Why it cannot be read.
    pub trouble: Option<String>,
    /// Who set it aside or put it back, and why.
    pub said: Option<String>,
    /// The file to look at: its address, what it is and its size.
    pub file: Option<FaxFile>,
    /// The numbers of the pages that are shown.
    pub pictures: Vec<u32>,
    pub can_match: bool,
    pub can_set_aside: bool,
    pub can_take_up: bool,
    pub nhs_number: String,
    pub born: String,
    pub family: String,
    pub title: String,
    pub urgent: bool,
    pub match_error: Option<&'static str>,
    pub title_error: Option<&'static str>,
    pub reason: String,
    pub reason_error: Option<&'static str>,
}

#[derive(Serialize)]
pub struct FaxFile {
    pub href: String,
    pub kind: &'static str,
    pub size: String,
}

/// `staff/fax-numbers.jinja`
#[derive(Serialize)]
pub struct Numbers {
    pub tabs: Vec<Tab>,
    pub errors: Vec<Fault>,
    pub done: Option<Done>,
    pub rows: Vec<NumberRow>,
    pub number: String,
    pub ods: String,
    pub name: String,
    pub number_error: Option<String>,
    pub ods_error: Option<&'static str>,
    pub name_error: Option<&'static str>,
}

#[derive(Serialize)]
pub struct NumberRow {
    /// As it is kept, for the forms.
    pub value: String,
    pub number: String,
    pub name: String,
    pub ods: String,
    pub state: Label,
    /// Who asked and who confirmed.
    pub by: String,
    /// What the caller may do about it: the button's word in the form, and its text.
    pub actions: Vec<NumberAction>,
}

#[derive(Serialize)]
pub struct NumberAction {
    pub word: &'static str,
    pub text: &'static str,
}

/// `staff/fax-count.jinja`
#[derive(Serialize)]
pub struct Counts {
    pub tabs: Vec<Tab>,
    /// Such as "2026-11".
    pub month: String,
    pub error: Option<&'static str>,
    pub rows: Vec<CountRow>,
    pub earlier: Link,
}

#[derive(Serialize)]
pub struct CountRow {
    pub way: &'static str,
    pub number: String,
    pub name: String,
    pub faxes: u64,
    pub pages: u64,
    pub failed: u64,
    /// Whether that organisation has a node by now.
    pub has_node: bool,
}
