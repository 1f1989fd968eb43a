//! Telling what became of parcels.

use access::{Ods, Scope};
use bytes::Bytes;
use store::parcels::ParcelWrite;
use store::{Effect, Job};

use super::{Trouble, unreadable};
use crate::exchange::Exchange;
use crate::jws::{self, Statement, read_strictly};
use crate::manifest::PROTOCOL;
use crate::receipt::{NAME_CHARS_MAX, RECEIPTS_MAX, Receipt, Receipts};
use crate::transport::Failure;
use crate::wire::{self, Outcome, ReceiptsTaken, SendReceipts};

impl Exchange {
    /// Tells the neighbour what became of its parcels, and what of ours was taken back. Gives
    /// whether there was something to tell.
    pub(super) async fn tell(&self, scope: &Scope, peer: &Ods) -> Result<bool, Trouble> {
        let steps = self.store.to_tell(scope, peer, RECEIPTS_MAX as u32).await?;
        if steps.is_empty() {
            return Ok(false);
        }
        let receipts = steps.iter().map(|step| Receipt {
            sender: step.sender.clone(),
            parcel: step.id.clone(),
            digest: step.digest.clone(),
            state: step.state.code().to_string(),
            at: step.at,
            seq: step.seq,
            who: step.who.chars().take(NAME_CHARS_MAX).collect(),
            role: step.role.chars().take(NAME_CHARS_MAX).collect(),
            note: step.note.clone(),
        });
        let statement = Receipts {
            protocol: PROTOCOL,
            from: self.organisation().to_string(),
            to: peer.to_string(),
            receipts: receipts.collect(),
        };
        let receipts = jws::sign(&self.identity.signing(), Statement::Receipts, &statement)?;
        let body = wire::write(&SendReceipts { receipts })?;
        let answer = self.transport.receipts(peer, Bytes::from(body)).await?;
        let answer: ReceiptsTaken = read_strictly(&answer).map_err(unreadable)?;
        let mut job = Job::effect(Effect::Parcel(ParcelWrite::Reached { peer: peer.clone() }));
        let mut taken = Vec::new();
        for (step, result) in steps.iter().zip(&answer.results) {
            match result.outcome {
                Outcome::Taken => taken.push(step.number),
                Outcome::Refused => {
                    let reason: String = result.reason.chars().take(300).collect();
                    let number = step.number;
                    job.effects
                        .push(Effect::Parcel(ParcelWrite::ReceiptRefused {
                            number,
                            reason,
                        }));
                }
                Outcome::Later => {}
            }
        }
        let settled = taken.len() + job.effects.len() - 1;
        job.effects.push(Effect::Parcel(ParcelWrite::ReceiptsTaken {
            numbers: taken,
        }));
        self.store.commit(scope, job).await?;
        if settled == 0 {
            return Err(Failure::answered("The other node could not keep our receipts.").into());
        }
        Ok(true)
    }
}
