//! What the pages of the record are given.

use std::collections::BTreeMap;

use serde::Serialize;

use super::trend::Drawing;
use crate::page::parts::{Content, Label};
use crate::page::words::Moment;

/// The texts of a language that stand by themselves.
pub type Texts = &'static BTreeMap<&'static str, String>;

/// `patient/record.jinja`
#[derive(Serialize)]
pub struct Record {
    pub t: Texts,
    pub lang: &'static str,
    pub heading: String,
    /// The way back to the whole record, from a section that stands alone.
    pub whole: Option<&'static str>,
    pub sections: Vec<Section>,
    pub sources: Sources,
    /// What is not shown, and why, in honest sentences.
    pub not_shown: Vec<String>,
    /// Whether entries can be asked about.
    pub may_ask: bool,
}

#[derive(Serialize)]
pub struct Section {
    pub code: &'static str,
    pub heading: &'static str,
    pub count: usize,
    pub rows: Vec<Row>,
    /// What is said where there are no rows.
    pub empty: Option<&'static str>,
    /// It is kept from who acts for the patient.
    pub hidden: Option<&'static str>,
    /// What may be missing, a sentence each.
    pub missing: Vec<String>,
    pub more: Option<More>,
    pub cut: Option<&'static str>,
}

#[derive(Serialize)]
pub struct More {
    pub href: String,
    pub text: String,
}

#[derive(Clone, Serialize)]
pub struct Row {
    /// Plain words, or the clinical ones where there are none.
    pub title: String,
    pub clinical: Option<String>,
    pub code: Option<String>,
    pub value: String,
    pub range: Option<String>,
    pub marks: Vec<Label>,
    pub details: Vec<String>,
    pub date: Option<Moment>,
    pub from: String,
    pub href: Option<String>,
    /// Where it can be asked about.
    pub ask: Option<String>,
    /// That it was asked about, and when.
    pub asked: Option<String>,
}

#[derive(Serialize)]
pub struct Sources {
    pub rows: Vec<SourceRow>,
    /// Why others were not asked, or not all.
    pub said: Option<&'static str>,
}

#[derive(Serialize)]
pub struct SourceRow {
    pub name: String,
    pub state: Label,
    pub said: String,
    pub when: String,
}

/// The newest result, on the home page.
#[derive(Serialize)]
pub struct Newest {
    pub href: String,
    pub title: String,
    pub value: String,
    pub date: Option<Moment>,
}

/// `patient/result.jinja`
#[derive(Serialize)]
pub struct ResultPage {
    pub t: Texts,
    pub lang: &'static str,
    pub row: Row,
    /// One of each unit, the newest first.
    pub trends: Vec<Trend>,
    /// Said where there is more than one unit.
    pub units_differ: bool,
    /// What is no number, or was never measured.
    pub others: Vec<Figure>,
    pub cut: bool,
    /// What of other organisations may be missing, a sentence each.
    pub missing: Vec<String>,
}

/// `patient/there.jinja`: an entry that another organisation holds.
#[derive(Serialize)]
pub struct There {
    pub t: Texts,
    pub lang: &'static str,
    pub heading: String,
    pub back: String,
    /// The entry; none of a letter, and where it did not come.
    pub row: Option<Row>,
    /// Who was asked, and what came of it.
    pub source: SourceRow,
    /// What is to be known besides, a sentence each.
    pub said: Vec<String>,
    /// Of a letter: its parts.
    pub content: Vec<Content>,
}

/// Results in one unit.
#[derive(Serialize)]
pub struct Trend {
    pub number: usize,
    pub heading: String,
    /// What the drawing shows, in words.
    pub title: String,
    pub description: String,
    pub drawing: Option<Drawing>,
    pub first: String,
    pub last: String,
    /// Newest first.
    pub figures: Vec<Figure>,
    pub cut: bool,
}

#[derive(Serialize)]
pub struct Figure {
    pub href: String,
    pub date: String,
    pub value: String,
    pub range: String,
    pub marks: Vec<Label>,
    pub current: bool,
    /// Whose it is, where that is another organisation; may be empty.
    pub place: String,
}
