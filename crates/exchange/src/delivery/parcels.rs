//! Sending parcels, with their contents.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use access::{Interaction, Ods, Outcome, Scope, Target};
use bytes::Bytes;
use fhir::problem::{Kind, Problem};
use store::parcels::{ParcelWrite, Proof, ToDeliver};
use store::{Effect, Job};

use super::{Trouble, unreadable};
use crate::exchange::Exchange;
use crate::jws::{self, Statement, read_strictly};
use crate::manifest::{Manifest, PARCELS_MAX, PROTOCOL};
use crate::receipt::{REFUSED, Receipt, Receipts};
use crate::transport::Failure;
use crate::wire::{
    self, INLINE_BYTES_IN_ALL_MAX, INLINE_BYTES_MAX, Inline, Parcels, SendParcels, Wanted,
};

/// The texts of one manifest, in bytes: with base64 they stay below what a statement may be.
const TEXT_BYTES_IN_ALL_MAX: usize = 1 << 20;
/// Pieces of content sent before looking again whether something urgent waits.
const PIECES_IN_A_ROW: usize = 4;
/// And after this long.
const IN_A_ROW: Duration = Duration::from_secs(3);

impl Exchange {
    /// Sends what is due, one request's worth; gives whether there was something.
    pub(super) async fn deliver_due(&self, scope: &Scope, peer: &Ods) -> Result<bool, Trouble> {
        let at_once = self.settings.parcels_at_once.clamp(1, PARCELS_MAX as u32);
        let parcels = self.store.to_deliver(scope, peer, at_once).await?;
        if parcels.is_empty() {
            return Ok(false);
        }
        let mut parcels = self.without_too_large(peer, parcels).await?;
        if parcels.is_empty() {
            return Ok(true);
        }
        bound(&mut parcels, self.paces.contents(peer));
        in_order(&mut parcels);
        // A request that the other side calls malformed is sent in halves, down to the parcel that
        // it does not like: that one alone goes before a person.
        let mut batches = vec![parcels];
        while let Some(mut batch) = batches.pop() {
            match self.deliver(scope, peer, &batch).await {
                Err(Trouble::There(failure)) if is_malformed(&failure) => {
                    if let [parcel] = batch.as_slice() {
                        let reason = failure.sentence;
                        self.write(ParcelWrite::SetAside {
                            pid: parcel.pid,
                            reason,
                        })
                        .await?;
                    } else {
                        let second = batch.split_off(batch.len() / 2);
                        batches.push(second);
                        batches.push(batch);
                    }
                }
                other => other?,
            }
        }
        Ok(true)
    }

    /// Sends parcels, keeps the receipts, and sends what contents are still wanted.
    async fn deliver(
        &self,
        scope: &Scope,
        peer: &Ods,
        parcels: &[ToDeliver],
    ) -> Result<(), Trouble> {
        let body = self.parcels_body(scope, peer, parcels).await?;
        let length = body.len();
        let sending = self.transport.parcels(peer, Bytes::from(body));
        let answer = self.paces.timed(peer, length, sending).await?;
        let answer: Parcels = read_strictly(&answer).map_err(unreadable)?;
        let receipts = self
            .verify_receipts(peer, &answer.receipts)
            .map_err(unreadable)?;
        let kept = self
            .keep(
                scope,
                peer,
                parcels,
                &receipts,
                &Proof::new(answer.receipts),
            )
            .await?;
        let sent = self
            .send_wanted(scope, peer, parcels, &answer.wanted)
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
        let manifest = jws::sign(&self.identity.signing(), Statement::Manifest, &manifest)?;
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
            if bytes.len() as u64 != part.size {
                // The other side will ask for it, and then its absence is told.
                continue;
            }
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
        proof: &Proof,
    ) -> Result<usize, Trouble> {
        let mut job = Job::effect(Effect::Parcel(ParcelWrite::Reached { peer: peer.clone() }));
        let mut kept = 0;
        let mut left: Vec<&ToDeliver> = parcels.iter().collect();
        for receipt in &receipts.receipts {
            let Some(parcel) = parcels
                .iter()
                .find(|it| settles(receipt, it, self.organisation()))
            else {
                continue;
            };
            kept += 1;
            left.retain(|it| it.pid != parcel.pid);
            let told = receipt.told(peer, self.organisation(), proof, parcel.made.clone());
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
                .push(scope.trace(Interaction::System, Outcome::Success, target));
        }
        // What follows about the same patient does not pass what is not taken yet.
        left.retain(|it| !it.holds && it.made.patient.is_some());
        if !left.is_empty() {
            let pids = left.iter().map(|it| it.pid).collect();
            job.effects
                .push(Effect::Parcel(ParcelWrite::Holds { pids }));
        }
        self.store.commit(scope, job).await?;
        Ok(kept)
    }

    /// Sends wanted contents, a few pieces at a time and over a thin line one, each from where the
    /// other side holds it. Gives how many pieces were sent.
    async fn send_wanted(
        &self,
        scope: &Scope,
        peer: &Ods,
        parcels: &[ToDeliver],
        wanted: &[Wanted],
    ) -> Result<usize, Trouble> {
        let mut sent = 0;
        let began = Instant::now();
        for want in wanted {
            let ours = parcels
                .iter()
                .flat_map(|parcel| &parcel.parts)
                .find(|part| part.sha256 == want.sha256);
            let Some(part) = ours else { continue };
            let mut held = want.held;
            while held < part.size {
                if sent >= PIECES_IN_A_ROW || (sent > 0 && began.elapsed() > IN_A_ROW) {
                    return Ok(sent);
                }
                let me = self.organisation();
                let mut bytes = self
                    .store
                    .content_bytes(scope, me, &part.sha256, held, false)
                    .await?;
                bytes.truncate(self.paces.piece(peer));
                if bytes.is_empty() {
                    let cause = "a content to send is not here";
                    return Err(Problem::new(Kind::Exception, "A content is missing.")
                        .because(cause)
                        .into());
                }
                let piece = Bytes::from(bytes);
                let length = piece.len();
                let sending = self.transport.append(peer, &part.sha256, held, piece);
                held = match self.paces.timed(peer, length, sending).await {
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
}

/// Whether the other side says that it will never take the request as it is.
fn is_malformed(failure: &Failure) -> bool {
    matches!(failure.status, Some(400 | 413 | 422))
}

/// Cuts a list of parcels where their texts would be too much for one statement, or their small
/// contents for the line. The first always fits, and so does the first with such contents: one that is
/// large, and goes in pieces, is not all that goes.
fn bound(parcels: &mut Vec<ToDeliver>, contents_max: u64) {
    let (mut bytes, mut contents) = (0, 0_u64);
    let fits = parcels.iter().take_while(|parcel| {
        // Quotes inside the text are escaped on the way.
        bytes += parcel.text.len() + parcel.text.matches('"').count();
        let sizes = parcel.parts.iter().map(|part| part.size);
        let is_first = contents == 0;
        contents += sizes.filter(|size| *size <= INLINE_BYTES_MAX).sum::<u64>();
        bytes <= TEXT_BYTES_IN_ALL_MAX && (is_first || contents <= contents_max)
    });
    let count = fits.count().max(1);
    parcels.truncate(count);
}

/// Leaves out what must not be sent in one request with what is before it about the same patient, since that goes in pieces and
/// will be taken later. What is urgent does not wait for what is not.
fn in_order(parcels: &mut Vec<ToDeliver>) {
    let goes_in_pieces = |it: &ToDeliver| it.parts.iter().any(|part| part.size > INLINE_BYTES_MAX);
    let in_pieces = parcels.iter().filter(|it| goes_in_pieces(it));
    let slow: Vec<(Option<String>, i64, bool)> = in_pieces
        .filter(|it| it.made.patient.is_some())
        .map(|it| (it.made.patient.clone(), it.pid, it.urgent))
        .collect();
    parcels.retain(|it| {
        !slow.iter().any(|(patient, pid, urgent)| {
            *patient == it.made.patient && *pid < it.pid && (*urgent || !it.urgent)
        })
    });
}

/// Whether a receipt settles that parcel: that it is stored, or refused for good.
fn settles(receipt: &Receipt, parcel: &ToDeliver, me: &Ods) -> bool {
    let settled = receipt.state == "delivered" || receipt.state == REFUSED;
    let same = receipt.parcel == parcel.id && receipt.digest == parcel.digest;
    settled && same && receipt.sender == me.as_str()
}
