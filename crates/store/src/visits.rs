//! Visits to people at home, the packs in which they were taken along, and what was written in those offline
//! (`docs/visits.md`).
//!
//! Invariant: what was written offline is here once, by the id that it was given there, however often it comes, and it
//! is in the record in the commit that says so. Invariant: what does not fit what is here by now is kept for a person
//! to decide about; neither side is written over. Invariant: a pack stands as out until something of it came back or a
//! person said what became of it.

mod lists;
#[cfg(test)]
mod tests;
mod write;

pub use lists::{Pack, Taken, Visit};
pub(crate) use write::apply;
pub use write::{BODY_BYTES_MAX, Entry, NewPack, NewVisit, VISITS_IN_PACK_MAX, VisitWrite};

/// How a visit stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VisitState {
    Planned,
    Done,
    NotDone,
    Cancelled,
}

impl VisitState {
    /// The word in tables.
    pub fn code(self) -> &'static str {
        match self {
            VisitState::Planned => "planned",
            VisitState::Done => "done",
            VisitState::NotDone => "not-done",
            VisitState::Cancelled => "cancelled",
        }
    }

    /// The state of that word.
    pub fn from_code(code: &str) -> Option<VisitState> {
        let mut all = [
            VisitState::Planned,
            VisitState::Done,
            VisitState::NotDone,
            VisitState::Cancelled,
        ]
        .into_iter();
        all.find(|it| it.code() == code)
    }
}

/// What became of something that was written offline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryState {
    /// It is in the record.
    Landed,
    /// A person must decide.
    Held,
    /// A person put it into the record.
    PutIn,
    /// A person decided that it stays here and does not go into the record.
    KeptOut,
}

impl EntryState {
    /// The word in tables.
    pub fn code(self) -> &'static str {
        match self {
            EntryState::Landed => "landed",
            EntryState::Held => "held",
            EntryState::PutIn => "put-in",
            EntryState::KeptOut => "kept-out",
        }
    }

    /// The state of that word.
    pub fn from_code(code: &str) -> Option<EntryState> {
        let mut all = [
            EntryState::Landed,
            EntryState::Held,
            EntryState::PutIn,
            EntryState::KeptOut,
        ]
        .into_iter();
        all.find(|it| it.code() == code)
    }
}

/// Whether the patient's practice was written to about something that was written offline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Told {
    /// Nobody was to be told: it is not in the record, or the organisation here is the practice.
    #[default]
    Nobody,
    /// A letter to the practice of that ODS code was accepted in the same commit.
    Practice(String),
    /// No practice is known here.
    NoPractice,
    /// The visit carries a label, and what does is not sent.
    Labelled,
    /// No letter could be made of it.
    Failed,
}

impl Told {
    /// The word in tables.
    pub fn code(&self) -> String {
        match self {
            Told::Nobody => String::new(),
            Told::Practice(ods) => format!("to:{ods}"),
            Told::NoPractice => "no-practice".to_owned(),
            Told::Labelled => "labelled".to_owned(),
            Told::Failed => "failed".to_owned(),
        }
    }

    /// What that word says.
    pub fn from_code(code: &str) -> Option<Told> {
        match code {
            "" => Some(Told::Nobody),
            "no-practice" => Some(Told::NoPractice),
            "labelled" => Some(Told::Labelled),
            "failed" => Some(Told::Failed),
            other => {
                let ods = other.strip_prefix("to:")?;
                Some(Told::Practice(ods.to_owned()))
            }
        }
    }
}

/// How a pack stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackState {
    /// Taken along, and nothing of it came back.
    Out,
    /// All that was taken along was heard of.
    Back,
    /// A person said that nothing more comes of it.
    Ended,
    /// Its time is over. What was written in it can still come.
    Expired,
}

impl PackState {
    /// The word in tables.
    pub fn code(self) -> &'static str {
        match self {
            PackState::Out => "out",
            PackState::Back => "back",
            PackState::Ended => "ended",
            PackState::Expired => "expired",
        }
    }

    /// The state of that word.
    pub fn from_code(code: &str) -> Option<PackState> {
        let mut all = [
            PackState::Out,
            PackState::Back,
            PackState::Ended,
            PackState::Expired,
        ]
        .into_iter();
        all.find(|it| it.code() == code)
    }
}
