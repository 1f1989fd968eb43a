//! Delivering: what is due goes to each neighbour, urgent letters first, and what it answers is
//! verified and kept. Every step may be taken again with the same effect, so that a crash between
//! any two loses nothing and doubles nothing.

use std::collections::HashMap;

use access::{Interaction, Ods, Outcome as Traced, Scope, SystemPurpose, Target};
use bytes::Bytes;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use store::parcels::{ParcelDone, ParcelWrite, PeerWork, ToDeliver};
use store::{Done, Effect, Job};

use crate::exchange::Exchange;
use crate::jws::{self, Statement, read_strictly};
use crate::manifest::{Manifest, PARCELS_MAX, PROTOCOL};
use crate::receipt::{RECEIPTS_MAX, REFUSED, Receipt, Receipts};
use crate::transport::Failure;
use crate::wire::{
    self, INLINE_BYTES_IN_ALL_MAX, INLINE_BYTES_MAX, Inline, Outcome, PIECE_BYTES_MAX, Parcels,
    ReceiptsTaken, SendParcels, SendReceipts, Wanted,
};

/// The texts of one manifest, in bytes: with base64 they stay below what a statement may be.
const TEXT_BYTES_IN_ALL_MAX: usize = 1 << 20;
/// Pieces of content sent before looking again whether something urgent waits.
const PIECES_IN_A_ROW: usize = 4;
/// How long a process keeps the work for a neighbour, and how early it renews that. After a crash
/// another takes over so much later.
const LEASE_MILLIS: Millis = 10_000;
const LEASE_RENEWED_MILLIS: Millis = 4000;
/// After a failure something new is tried at once, but not more often than this.
const FRESH_TRY_MILLIS: Millis = 1000;

/// Why a neighbour could not be served.
pub(crate) enum Trouble {
    /// The neighbour or the way to it: tried again later, the reason shown.
    There(Failure),
    /// This node: tried again later, logged.
    Here(Problem),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        Trouble::There(failure)
    }
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Trouble {
        Trouble::Here(problem)
    }
}

/// Milliseconds until a neighbour is to be tried; 0 for now.
pub(crate) fn wait_millis(work: &PeerWork, now: Millis) -> Millis {
    let fresh_at = work
        .last_try_at
        .unwrap_or(0)
        .saturating_add(FRESH_TRY_MILLIS);
    let at = if work.fresh {
        work.next_try.min(fresh_at)
    } else {
        work.next_try
    };
    at.saturating_sub(now).max(0)
}

impl Exchange {
    /// Sends a neighbour all that is due to it. What fails is noted with the time of the next try;
    /// gives whether all went well.
    pub async fn serve(&self, peer: &Ods) -> bool {
        let trouble = match self.try_serve(peer).await {
            Ok(()) => return true,
            Err(trouble) => trouble,
        };
        let sentence = match trouble {
            Trouble::There(failure) => failure.sentence,
            Trouble::Here(problem) => {
                tracing::error!(?problem, %peer, "a neighbour could not be served");
                "This node could not send: see its log.".to_string()
            }
        };
        if let Err(problem) = self.note_failure(peer, sentence).await {
            tracing::error!(?problem, %peer, "a failure could not be noted");
        }
        false
    }

    async fn note_failure(&self, peer: &Ods, error: String) -> Result<(), Problem> {
        let work = self.store.peers_to_serve().await?;
        let known = work.into_iter().find(|it| &it.peer == peer);
        let tries = known.map_or(0, |it| it.tries).saturating_add(1);
        let next_try = self.settings.backoff.next_try(self.store.now(), tries);
        let peer = peer.clone();
        self.write(ParcelWrite::Failed {
            peer,
            error,
            tries,
            next_try,
        })
        .await
        .map(|_| ())
    }

    async fn try_serve(&self, peer: &Ods) -> Result<(), Trouble> {
        if !self.lease(peer).await? {
            return Ok(());
        }
        let scope = Scope::system(SystemPurpose::DeliverParcels);
        let at_once = self.settings.parcels_at_once.clamp(1, PARCELS_MAX as u32);
        loop {
            let parcels = self.store.to_deliver(&scope, peer, at_once).await?;
            let delivered = if parcels.is_empty() {
                false
            } else {
                self.deliver(&scope, peer, parcels).await?;
                true
            };
            let told = self.tell(&scope, peer).await?;
            if !delivered && !told {
                return Ok(());
            }
        }
    }

    /// Whether this process has the work for the neighbour. Renewed only when it is about to end, so
    /// that most rounds need no commit for it.
    async fn lease(&self, peer: &Ods) -> Result<bool, Problem> {
        if !self.store.is_shared() {
            return Ok(true);
        }
        let now = self.store.now();
        let held = self.leases.lock().get(peer).copied().unwrap_or(0);
        if held > now + LEASE_RENEWED_MILLIS && held <= now + LEASE_MILLIS {
            return Ok(true);
        }
        let until = now + LEASE_MILLIS;
        let holder = self.holder.clone();
        let write = ParcelWrite::Lease {
            peer: peer.clone(),
            holder,
            until,
        };
        let ours = self.write(write).await? == Some(ParcelDone::Lease(true));
        if ours {
            self.leases.lock().insert(peer.clone(), until);
        }
        Ok(ours)
    }

    async fn write(&self, write: ParcelWrite) -> Result<Option<ParcelDone>, Problem> {
        let scope = Scope::system(SystemPurpose::DeliverParcels);
        let committed = self
            .store
            .commit(&scope, Job::effect(Effect::Parcel(write)))
            .await?;
        Ok(committed
            .done
            .into_iter()
            .next()
            .and_then(|done| match done {
                Done::Parcel(done) => Some(done),
                Done::Hl7(_) | Done::Account(_) => None,
            }))
    }

    /// Sends parcels, keeps the receipts, and sends what contents are still wanted.
    async fn deliver(
        &self,
        scope: &Scope,
        peer: &Ods,
        mut parcels: Vec<ToDeliver>,
    ) -> Result<(), Trouble> {
        bound(&mut parcels);
        let body = self.parcels_body(scope, peer, &parcels).await?;
        let answer = self.transport.parcels(peer, Bytes::from(body)).await?;
        let answer: Parcels = read_strictly(&answer).map_err(unreadable)?;
        let receipts = self
            .verify_receipts(peer, &answer.receipts)
            .map_err(unreadable)?;
        let kept = self
            .keep(scope, peer, &parcels, &receipts, &answer.receipts)
            .await?;
        let sent = self
            .send_wanted(scope, peer, &parcels, &answer.wanted)
            .await?;
        if kept == 0 && sent == 0 {
            let message = "The other node has not taken the parcels and gave no reason.";
            return Err(Failure::new(message).into());
        }
        Ok(())
    }

    /// The body that sends these parcels, with their small contents in it.
    async fn parcels_body(
        &self,
        scope: &Scope,
        peer: &Ods,
        parcels: &[ToDeliver],
    ) -> Result<Vec<u8>, Problem> {
        let manifest = Manifest {
            protocol: PROTOCOL,
            from: self.organisation().to_string(),
            to: peer.to_string(),
            parcels: parcels.iter().map(|parcel| parcel.text.clone()).collect(),
        };
        let manifest = jws::sign(self.identity.signing(), Statement::Manifest, &manifest)?;
        let mut contents: HashMap<&str, Inline> = HashMap::new();
        let mut room = INLINE_BYTES_IN_ALL_MAX;
        for part in parcels.iter().flat_map(|parcel| &parcel.parts) {
            let fits = part.size <= INLINE_BYTES_MAX.min(room);
            if !fits || contents.contains_key(part.sha256.as_str()) {
                continue;
            }
            let me = self.organisation();
            let bytes = self
                .store
                .content_bytes(scope, me, &part.sha256, 0, true)
                .await?;
            room -= part.size;
            contents.insert(&part.sha256, Inline::new(&part.sha256, &bytes));
        }
        wire::write(&SendParcels {
            manifest,
            contents: contents.into_values().collect(),
        })
    }

    /// Keeps the receipts of what was sent, and that the neighbour answered, in one go. Gives how
    /// many parcels are settled.
    async fn keep(
        &self,
        scope: &Scope,
        peer: &Ods,
        parcels: &[ToDeliver],
        receipts: &Receipts,
        jws: &str,
    ) -> Result<usize, Trouble> {
        let mut job = Job::effect(Effect::Parcel(ParcelWrite::Reached { peer: peer.clone() }));
        let mut kept = 0;
        for receipt in &receipts.receipts {
            let Some(parcel) = parcels
                .iter()
                .find(|it| settles(receipt, it, self.organisation()))
            else {
                continue;
            };
            kept += 1;
            let told = receipt.told(peer, self.organisation(), jws, parcel.made.clone());
            job.effects
                .push(Effect::Parcel(ParcelWrite::Told(Box::new(told))));
            let target = Target {
                ty: "DocumentReference".into(),
                id: parcel.made.document.clone(),
                version: None,
                patient: parcel.made.patient.clone(),
                query: Some(format!("sent-to={peer}").into()),
            };
            job.traces
                .push(scope.trace(Interaction::System, Traced::Success, target));
        }
        self.store.commit(scope, job).await?;
        Ok(kept)
    }

    /// Sends wanted contents, a few pieces at a time, each from where the other side holds it. Gives
    /// how many pieces were sent.
    async fn send_wanted(
        &self,
        scope: &Scope,
        peer: &Ods,
        parcels: &[ToDeliver],
        wanted: &[Wanted],
    ) -> Result<usize, Trouble> {
        let mut sent = 0;
        for want in wanted {
            let ours = parcels
                .iter()
                .flat_map(|parcel| &parcel.parts)
                .find(|part| part.sha256 == want.sha256);
            let Some(part) = ours else { continue };
            let mut held = want.held;
            while held < part.size {
                if sent >= PIECES_IN_A_ROW {
                    return Ok(sent);
                }
                let me = self.organisation();
                let mut bytes = self
                    .store
                    .content_bytes(scope, me, &part.sha256, held, false)
                    .await?;
                bytes.truncate(PIECE_BYTES_MAX);
                if bytes.is_empty() {
                    let cause = "a content to send is not here";
                    return Err(Problem::new(Kind::Exception, "A content is missing.")
                        .because(cause)
                        .into());
                }
                let piece = Bytes::from(bytes);
                held = match self.transport.append(peer, &part.sha256, held, piece).await {
                    // Someone sent a piece twice: ask where to go on.
                    Err(failure) if failure.status == Some(409) => {
                        self.transport.held(peer, &part.sha256).await?
                    }
                    other => other?,
                };
                sent += 1;
            }
        }
        Ok(sent)
    }

    /// Tells the neighbour what became of its parcels, and what of ours was taken back. Gives
    /// whether there was something to tell.
    async fn tell(&self, scope: &Scope, peer: &Ods) -> Result<bool, Trouble> {
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
            who: step.who.clone(),
            role: step.role.clone(),
            note: step.note.clone(),
        });
        let statement = Receipts {
            protocol: PROTOCOL,
            from: self.organisation().to_string(),
            to: peer.to_string(),
            receipts: receipts.collect(),
        };
        let receipts = jws::sign(self.identity.signing(), Statement::Receipts, &statement)?;
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
            return Err(Failure::new("The other node could not keep our receipts.").into());
        }
        Ok(true)
    }
}

/// Cuts a list of parcels where their texts would be too much for one statement. The first always
/// fits.
fn bound(parcels: &mut Vec<ToDeliver>) {
    let mut bytes = 0;
    let fits = parcels.iter().take_while(|parcel| {
        // Quotes inside the text are escaped on the way.
        bytes += parcel.text.len() + parcel.text.matches('"').count();
        bytes <= TEXT_BYTES_IN_ALL_MAX
    });
    let count = fits.count().max(1);
    parcels.truncate(count);
}

/// Whether a receipt settles that parcel: that it is stored, or refused for good.
fn settles(receipt: &Receipt, parcel: &ToDeliver, me: &Ods) -> bool {
    let settled = receipt.state == "delivered" || receipt.state == REFUSED;
    let same = receipt.parcel == parcel.id && receipt.digest == parcel.digest;
    settled && same && receipt.sender == me.as_str()
}

fn unreadable(problem: Problem) -> Trouble {
    tracing::warn!(?problem, "a neighbour's answer was not taken");
    Trouble::There(Failure::new(format!(
        "The other node's answer was not taken: {}",
        problem.message
    )))
}
