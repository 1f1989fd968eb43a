//! What a parcel of kind `booking` says beside whom it is about.

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use fhir::resource::check_id;
use serde::{Deserialize, Serialize};
use store::diary::{BookingState, Slot};

use super::{NEXT_MAX, REASON_CHARS_MAX};
use crate::instant;

/// The longest words of an offer, in characters.
const WORDS_MAX: usize = 200;

/// A free appointment, as its holder offers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// The Slot's id at the holder.
    pub slot: String,
    #[serde(with = "instant")]
    pub starts: Millis,
    #[serde(with = "instant")]
    pub ends: Millis,
    /// What sort of appointment it is, and with whom, in words.
    pub kind: String,
    pub with: String,
}

impl Offer {
    /// That slot of this node's.
    pub fn of(slot: &Slot) -> Offer {
        Offer {
            slot: slot.id.clone(),
            starts: slot.starts_at,
            ends: slot.ends_at,
            kind: slot.kind.clone(),
            with: slot.held_by.clone(),
        }
    }

    /// # Errors
    /// `Value` for what cannot be offered.
    pub fn check(&self) -> Result<(), Problem> {
        check_id(&self.slot)?;
        let is_long = |text: &String| text.chars().count() > WORDS_MAX;
        if self.starts >= self.ends || is_long(&self.kind) || is_long(&self.with) {
            let message = "An offered appointment ends after it starts, and is named in up to 200 characters.";
            return Err(Problem::new(Kind::Value, message));
        }
        Ok(())
    }
}

/// What a booking's parcel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Asks for a slot.
    Book,
    /// Says that it is not wanted any more.
    Cancel,
    /// Whose diary it is says how the booking stands.
    Answer,
}

/// What whose diary it is says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Booked,
    /// Somebody else has it.
    Taken,
    Refused,
    Cancelled,
}

impl Outcome {
    /// The state of the booking that follows.
    pub fn state(self) -> BookingState {
        match self {
            Outcome::Booked => BookingState::Booked,
            Outcome::Taken => BookingState::Taken,
            Outcome::Refused => BookingState::Refused,
            Outcome::Cancelled => BookingState::Cancelled,
        }
    }
}

/// The member `booking` of a parcel of that kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BookingText {
    pub act: Act,
    /// The booking's id at who asked for it.
    pub booking: String,
    /// What is asked for; of an answer, what is booked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub offer: Option<Offer>,
    /// The booking in whose place this one is to come.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub instead_of: Option<String>,
    /// Why it is wanted, not wanted any more, or not done; may be empty.
    pub reason: String,
    /// Who of the asker's people asks: their name; empty in an answer that the node gives by itself.
    pub by: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub outcome: Option<Outcome>,
    /// Of an answer: what is free instead.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub next: Vec<Offer>,
}

impl BookingText {
    /// # Errors
    /// `Value`, named for the sender.
    pub fn check(&self) -> Result<(), Problem> {
        check_id(&self.booking)?;
        self.instead_of.as_deref().map_or(Ok(()), check_id)?;
        let is_whole = match self.act {
            Act::Book => self.offer.is_some() && self.outcome.is_none(),
            Act::Cancel => self.offer.is_none() && self.outcome.is_none(),
            Act::Answer => match self.outcome {
                Some(Outcome::Booked) => self.offer.is_some(),
                Some(_) => self.offer.is_none(),
                None => false,
            },
        };
        let is_answer = self.act == Act::Answer;
        let fits = is_whole
            && (is_answer || self.next.is_empty())
            && self.next.len() <= NEXT_MAX as usize
            && (self.act == Act::Book || self.instead_of.is_none());
        if !fits {
            let message =
                "A booking names what it asks for, an answer what came of it, and neither more.";
            return Err(Problem::new(Kind::Value, message));
        }
        let is_long = |text: &String, most| text.chars().count() > most;
        if is_long(&self.reason, REASON_CHARS_MAX) || is_long(&self.by, WORDS_MAX) {
            let message = "A booking's reason has up to 500 characters, a name up to 200.";
            return Err(Problem::new(Kind::Value, message));
        }
        self.offer
            .iter()
            .chain(&self.next)
            .try_for_each(Offer::check)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(act: Act) -> BookingText {
        let offer = Offer {
            slot: "s".into(),
            starts: 1,
            ends: 2,
            kind: "Clinic".into(),
            with: "Dr A".into(),
        };
        BookingText {
            act,
            booking: "b".into(),
            offer: (act == Act::Book).then_some(offer),
            instead_of: None,
            reason: String::new(),
            by: String::new(),
            outcome: (act == Act::Answer).then_some(Outcome::Taken),
            next: Vec::new(),
        }
    }

    #[test]
    fn a_booking_that_does_not_say_what_it_is_about_is_refused() {
        for act in [Act::Book, Act::Cancel, Act::Answer] {
            assert!(text(act).check().is_ok(), "{act:?}");
        }
        let mut wrong = vec![text(Act::Book), text(Act::Cancel), text(Act::Answer)];
        wrong[0].offer = None;
        wrong[1].outcome = Some(Outcome::Booked);
        wrong[2].outcome = None;
        let offer = text(Act::Book).offer;
        let with = |change: fn(&mut BookingText)| {
            let mut it = text(Act::Book);
            change(&mut it);
            it
        };
        wrong.push(with(|it| it.booking = "../x".into()));
        wrong.push(with(|it| it.instead_of = Some(String::new())));
        wrong.push(with(|it| it.reason = "x".repeat(501)));
        wrong.push(with(|it| it.next = it.offer.iter().cloned().collect()));
        wrong.push(with(|it| {
            if let Some(offer) = &mut it.offer {
                offer.ends = offer.starts;
            }
        }));
        let mut booked = text(Act::Answer);
        booked.next = std::iter::repeat_n(offer.unwrap(), NEXT_MAX as usize + 1).collect();
        wrong.push(booked);
        for it in wrong {
            assert!(it.check().is_err(), "{it:?}");
        }
    }
}
