//! The sender's own receipt: that it has accepted a letter, and answers for it from then on (decision 0377).

use fhir::problem::Problem;
use store::parcels::{Event, State};

use super::offline::{Named, ReceiptFile, hex};
use super::{NAME_CHARS_MAX, Receipt, Receipts};
use crate::exchange::Exchange;
use crate::jws::{self, Statement};
use crate::manifest::PROTOCOL;

impl Exchange {
    /// What can be shown of a letter that this organisation sent: its text, that it was accepted here, signed now from what the
    /// commit that accepted it wrote down, and what its receiver has signed.
    ///
    /// # Errors
    /// `Structure` if the text does not read; `Exception` if the key does not sign.
    pub fn receipt_file(&self, text: String, events: Vec<Event>) -> Result<ReceiptFile, Problem> {
        let mut statements = Vec::new();
        if let Some(event) = events.iter().find(|it| self.is_own_acceptance(it)) {
            statements.push(self.accepted(&text, event)?);
        }
        statements.extend(events.into_iter().filter_map(|event| event.proof));
        Ok(ReceiptFile::new(text, statements))
    }

    /// Whether that step says that this organisation has accepted a letter.
    pub fn is_own_acceptance(&self, event: &Event) -> bool {
        let is_here = event.organisation == self.organisation().as_str();
        is_here && event.state == Some(State::Accepted) && event.proof.is_none()
    }

    fn accepted(&self, text: &str, event: &Event) -> Result<String, Problem> {
        let named = Named::read(text)?;
        let step = Receipt {
            sender: named.from,
            parcel: named.id,
            digest: hex(text),
            state: State::Accepted.code().to_string(),
            at: event.at,
            seq: event.seq,
            who: event.who.chars().take(NAME_CHARS_MAX).collect(),
            role: event.role.chars().take(NAME_CHARS_MAX).collect(),
            note: event.note.clone(),
        };
        let statement = Receipts {
            protocol: PROTOCOL,
            from: self.organisation().to_string(),
            to: named.to,
            receipts: vec![step],
        };
        jws::sign(&self.identity.signing(), Statement::Receipts, &statement)
    }
}
