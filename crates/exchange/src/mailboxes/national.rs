//! Messages to mailboxes that no member has: out by the national service, from the organisation's own
//! mailbox there. Only what is sent goes this way; what comes for that mailbox is collected by others.

use std::collections::BTreeMap;

use access::{Interaction, Outcome, Scope, SystemPurpose, Target};
use bytes::Bytes;
use fhir::problem::{Kind, Problem};
use store::mesh::{MeshWrite, Message, Stored, ToHand, Way};
use store::{Effect, Job};

use crate::exchange::Exchange;
use crate::mesh::Mesh;

/// Messages that are looked at in one go: each chunk is held in memory whole, up to 100 MB.
const AT_ONCE: u32 = 4;
/// Messages that are asked after in one go, and how often.
const TRACKED_AT_ONCE: u32 = 50;
const TRACK_EVERY_MILLIS: i64 = 30_000;
/// How long nothing is sent after the service could not be reached, or did not take something.
const REST_MILLIS: i64 = 30_000;

impl Exchange {
    /// Sends what waits, and asks after what was sent; how many messages went out.
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
                // Another process of the node does it.
                Err(problem) if problem.kind == Kind::Conflict => {}
                Err(problem) if matches!(problem.kind, Kind::Value | Kind::TooLong) => {
                    self.give_up(&scope, number, &problem.message).await?;
                }
                Err(problem) if problem.kind == Kind::Processing => {
                    // One that is not taken does not hold up the others.
                    tracing::warn!(?problem, number, "MESH did not take a message");
                    mailboxes.wait_for(&mailboxes.send_at, self.store.now() + REST_MILLIS);
                }
                Err(problem) => {
                    tracing::warn!(?problem, number, "a message could not be sent to MESH");
                    mailboxes.wait_for(&mailboxes.send_at, self.store.now() + REST_MILLIS);
                    break;
                }
            }
        }
        Ok(count)
    }

    async fn send_out(&self, scope: &Scope, mesh: &Mesh, it: &ToHand) -> Result<(), Problem> {
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
            (None, None) => {
                let message = "A message without content cannot be sent.";
                return Err(Problem::new(Kind::Value, message));
            }
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
        self.store.commit(scope, job).await.map(|_| ())
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

    async fn ask_after(&self, scope: &Scope, mesh: &Mesh) -> Result<(), Problem> {
        for message in self.store.mesh_outside(scope, TRACKED_AT_ONCE).await? {
            let tracked = match mesh.tracked_by(&message.outside).await {
                Ok(tracked) => tracked,
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
