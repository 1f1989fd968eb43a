//! What patients ask about an entry of their record, or about who looked at it, and what they are answered. It goes to
//! the organisation that wrote the entry, or whose member looked: here, or by parcel.
//!
//! Invariant: a question moves on in the commit that tells the other side. Invariant: a question by parcel is taken in once.

mod lists;
#[cfg(test)]
mod tests;
mod write;

use fhir::date::Millis;

pub use lists::QuestionList;
pub(crate) use write::apply;
pub use write::{Answer, QuestionWrite, TEXT_CHARS_MAX};

/// What a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// An entry of the record.
    Entry,
    /// A line of the audit log: somebody looked.
    Look,
}

impl About {
    /// The word in tables and on the wire.
    pub fn code(self) -> &'static str {
        match self {
            About::Entry => "entry",
            About::Look => "look",
        }
    }

    /// What that word means.
    pub fn from_code(code: &str) -> Option<About> {
        match code {
            "entry" => Some(About::Entry),
            "look" => Some(About::Look),
            _ => None,
        }
    }
}

/// Where a question is asked and answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Both here.
    Here,
    /// Asked here, answered by another organisation.
    Out,
    /// Asked at another organisation, answered here.
    In,
}

impl Way {
    fn code(self) -> &'static str {
        match self {
            Way::Here => "here",
            Way::Out => "out",
            Way::In => "in",
        }
    }

    fn from_code(code: &str) -> Way {
        match code {
            "out" => Way::Out,
            "in" => Way::In,
            _ => Way::Here,
        }
    }
}

/// How far a question is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuestionState {
    Waiting,
    /// Somebody at who is to answer has opened it.
    Opened,
    Answered,
    /// Who was asked has nobody on record by these details.
    Unknown,
}

impl QuestionState {
    fn code(self) -> &'static str {
        match self {
            QuestionState::Waiting => "waiting",
            QuestionState::Opened => "opened",
            QuestionState::Answered => "answered",
            QuestionState::Unknown => "unknown",
        }
    }

    fn from_code(code: &str) -> Option<QuestionState> {
        Some(match code {
            "waiting" => QuestionState::Waiting,
            "opened" => QuestionState::Opened,
            "answered" => QuestionState::Answered,
            "unknown" => QuestionState::Unknown,
            _ => return None,
        })
    }

    /// Whether somebody has still to answer.
    pub fn is_open(self) -> bool {
        matches!(self, QuestionState::Waiting | QuestionState::Opened)
    }
}

/// A patient's question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub id: String,
    pub way: Way,
    pub about: About,
    /// The organisation at the other end (ODS code); empty where there is none.
    pub other: String,
    /// Its id at who asks.
    pub asked_as: String,
    pub patient: String,
    /// `Type/id` at who answers, or the number of a line of the log here.
    pub subject: String,
    /// What it was about, in words.
    pub title: String,
    pub question: String,
    pub asked_by: String,
    pub asked_at: Millis,
    pub state: QuestionState,
    /// Times are 0 for not yet.
    pub opened_at: Millis,
    pub answer: String,
    pub answered_by: String,
    pub answered_role: String,
    pub answered_at: Millis,
    /// When the patient read the answer.
    pub read_at: Millis,
    /// The id of this side's last parcel; may be empty.
    pub parcel: String,
    pub version: i64,
}
