//! Messages to mailboxes that no member has: out by the national service, from the organisation's own
//! mailbox there. Only what is sent goes this way; what comes for that mailbox is collected by others.
//!
//! Invariant: a message that is not taken there keeps no other from leaving (decision 0386).

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use access::{Interaction, Outcome, Scope, SystemPurpose, Target};
use bytes::Bytes;
use fhir::problem::{Kind, Problem};
use store::mesh::{MeshWrite, Message, Stored, ToHand, Way};
use store::{Effect, Job};

use crate::backoff::Backoff;
use crate::exchange::Exchange;
use crate::mesh::{Failed, Mesh, Round};

/// Messages that are looked at in one go: each chunk is held in memory whole, up to 100 MB.
const AT_ONCE: u32 = 4;
/// Messages that are asked after in one go, and how often.
const TRACKED_AT_ONCE: u32 = 50;
const TRACK_EVERY_MILLIS: i64 = 30_000;
/// How long nothing is sent after the service could not be reached, or did not take something.
const REST_MILLIS: i64 = 30_000;
/// How long a message waits that did not get out: so much longer each time, and others go before it.
const PAUSE: Backoff = Backoff {
    first_millis: 30_000,
    cap_millis: 900_000,
};

impl Exchange {
    /// Sends what waits, and asks after what was sent; how many messages went out or will never.
    pub(super) async fn carry_out(&self) -> Result<usize, Problem> {
        let mailboxes = self.settings.mailboxes.clone();
        let Some(mesh) = &mailboxes.national else {
            return Ok(0);
        };
        let scope = Scope::system(SystemPurpose::CarryMail);
        if mailboxes.is_time(&mailboxes.track_at, self.store.now()) {
            mailboxes.wait_for(&mailboxes.track_at, self.store.now() + TRACK_EVERY_MILLIS);
            self.ask_after(&scope, mesh).await?;
        }
        if !mailboxes.is_time(&mailboxes.send_at, self.store.now()) {
            return Ok(0);
        }
        let waiting = self
            .store
            .mesh_to_hand(&scope, Way::National, AT_ONCE)
            .await?;
        let mut count = 0;
        for it in &waiting {
            let number = it.message.number;
            match self.send_out(&scope, mesh, it).await {
                Ok(()) => count += 1,
                Err(Failed::Refused { code, why }) => {
                    // Nothing but another message would be taken: its sender is told at once.
                    tracing::warn!(%why, number, "MESH refused a message");
                    count += 1;
                    let write = MeshWrite::Reported {
                        number,
                        code,
                        reason: why,
                    };
                    let job = Job::effect(Effect::Mesh(write));
                    self.store.commit(&scope, job).await?;
                }
                // Another process of the node does it.
                Err(Failed::Later(problem)) if problem.kind == Kind::Conflict => {}
                Err(Failed::Later(problem)) => {
                    tracing::warn!(?problem, number, "a message could not be sent to MESH");
                    mailboxes.wait_for(&mailboxes.send_at, self.store.now() + REST_MILLIS);
                    self.put_off(&scope, &it.message, &problem.message).await?;
                    // An answer that does not read is about this message; anything else the next would meet as well.
                    if problem.kind != Kind::Processing {
                        break;
                    }
                }
            }
        }
        Ok(count)
    }

    /// The message is tried again, behind others and later each time.
    async fn put_off(&self, scope: &Scope, message: &Message, why: &str) -> Result<(), Problem> {
        let pause = PAUSE.bound_millis(message.handed.saturating_add(1));
        let pause = i64::try_from(pause).unwrap_or(REST_MILLIS);
        let write = MeshWrite::PutOff {
            number: message.number,
            until: self.store.now().saturating_add(pause),
            reason: why.to_string(),
        };
        let job = Job::effect(Effect::Mesh(write));
        self.store.commit(scope, job).await.map(|_| ())
    }

    async fn send_out(&self, scope: &Scope, mesh: &Mesh, it: &ToHand) -> Result<(), Failed> {
        let message = &it.message;
        // Whether a try before this one got there is asked: an answer may have been lost.
        let known = match message.handed {
            0 => None,
            _ => mesh.tracked_as(&message.id).await?,
        };
        let tried = MeshWrite::Handed {
            number: message.number,
            handed: i64::from(message.handed) + 1,
            last: false,
        };
        self.store
            .commit(scope, Job::effect(Effect::Mesh(tried)))
            .await?;
        let mut chunks = (1..).zip(&it.chunks);
        let first = chunks.next();
        let outside = match (known, first) {
            (Some(known), _) => known.message_id,
            (None, Some((_, first))) => {
                let body = self.whole(scope, first).await?;
                mesh.forward(headers(message), message.chunks, body).await?
            }
            (None, None) => return Err(Failed::no_content()),
        };
        for (piece, stored) in chunks {
            let body = self.whole(scope, stored).await?;
            let place = (piece, message.chunks);
            mesh.forward_piece(&outside, place, &message.encoding, body)
                .await?;
        }
        let mut job = Job::effect(Effect::Mesh(MeshWrite::Sent {
            number: message.number,
            outside,
        }));
        let target = Target {
            query: Some(format!("sent-to=MESH message={}", message.id).into()),
            ..Target::default()
        };
        job.traces
            .push(scope.trace(Interaction::System, Outcome::Success, target));
        self.store.commit(scope, job).await?;
        Ok(())
    }

    /// A chunk, as it came.
    async fn whole(&self, scope: &Scope, stored: &Stored) -> Result<Bytes, Problem> {
        let mut bytes = Vec::new();
        let mut after = -1;
        while let Some((part, piece)) = self.store.mesh_piece(scope, &stored.upload, after).await? {
            bytes.extend_from_slice(&piece);
            after = part;
        }
        Ok(bytes.into())
    }

    /// Asks what became of the next of those that the service has, so that each has its turn however many there are.
    async fn ask_after(&self, scope: &Scope, mesh: &Mesh) -> Result<(), Problem> {
        let turn = &self.settings.mailboxes.track_after;
        let after = turn.load(Ordering::Relaxed);
        let found = self.store.mesh_outside(scope, after, TRACKED_AT_ONCE);
        let found = found.await?;
        let is_last = u32::try_from(found.len()).is_ok_and(|count| count < TRACKED_AT_ONCE);
        let mut round = Round::default();
        for message in &found {
            turn.store(message.number, Ordering::Relaxed);
            let tracked = mesh.tracked_by(&message.outside).await;
            let tracked = match round.of_message(&message.outside, tracked) {
                Ok(tracked) => tracked.flatten(),
                Err(problem) => {
                    tracing::warn!(?problem, "MESH was not asked what became of a message");
                    return Ok(());
                }
            };
            let number = message.number;
            let write = match tracked.as_ref().map(|it| it.status.to_ascii_lowercase()) {
                Some(status) if status == "acknowledged" => MeshWrite::Collected { number },
                Some(status) if status == "undeliverable" || status == "error" => {
                    MeshWrite::GiveUp {
                        number,
                        code: "14",
                        reason: "MESH says that the message was not collected".to_string(),
                    }
                }
                _ => continue,
            };
            let job = Job::effect(Effect::Mesh(write));
            self.store.commit(scope, job).await?;
        }
        if is_last {
            turn.store(0, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// What is written on the message, and our own name for it: its id here.
fn headers(message: &Message) -> Vec<(String, String)> {
    let written: BTreeMap<String, String> =
        serde_json::from_str(&message.envelope).unwrap_or_default();
    let mut headers: Vec<(String, String)> = written.into_iter().collect();
    for (name, value) in [
        ("mex-to", &message.recipient),
        ("mex-workflowid", &message.workflow),
        ("mex-localid", &message.id),
        ("content-encoding", &message.encoding),
    ] {
        if !value.is_empty() {
            headers.push((name.to_string(), value.clone()));
        }
    }
    headers
}
