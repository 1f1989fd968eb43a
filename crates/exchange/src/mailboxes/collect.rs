//! What comes for the organisation's mailbox at the national service and is for a system here is put into that system's
//! mailbox, by its workflow. Documents of ITK3 and answers about opt-outs are left to their own readers.
//!
//! Invariant: a message is whole in its mailbox, and durable, before the national service is told that it was taken.
//! Invariant: what is wrong with one message keeps no other from its mailbox.

use std::sync::Arc;

use access::{Interaction, Outcome, Scope, SystemPurpose, Target};
use fhir::problem::{Kind, Problem};
use store::mesh::{FromOutside, MeshWrite, PIECE_BYTES, Stored};
use store::{Effect, Job};
use tokio::sync::watch;

use crate::exchange::Exchange;
use crate::keys::sha256_hex;
use crate::mesh::{Head, Mesh, MessageType, Piece, Round};
use crate::mllp::stopped;

/// The kind of the alarm about what cannot be collected.
pub const ALARM: &str = "mesh-collect";
/// Rows of content that are written at a time.
const ROWS_A_WRITE: usize = 4;
/// Messages that are nobody's and looked at in one go.
const NOBODYS_AT_ONCE: u32 = 100;
/// How long it is waited, at least, before the mailbox is looked into again.
const LEAST_SECONDS: u64 = 1;
/// What becomes of a message that cannot be unpacked.
const UNTOLD: &str = "It is kept here for 30 days as it came, and given to nobody. It was not acknowledged at MESH, \
     which tells its sender after 5 days that it was not collected.";

/// Which workflow's messages are for which mailbox here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// A workflow id, in which `*` stands for any characters.
    pub workflow: String,
    pub mailbox: String,
}

/// What is collected.
#[derive(Clone, Debug, Default)]
pub struct Collecting {
    /// The first that fits holds.
    pub rules: Vec<Rule>,
    /// Workflows that others of this node read, in the same form.
    pub left: Vec<String>,
    pub every_seconds: u32,
    /// All chunks of a message, unpacked, in bytes.
    pub message_bytes_max: u64,
}

/// The content of a message, on the disk.
struct Content {
    chunks: Vec<Stored>,
    /// Why it cannot be given to anybody; empty if it can.
    spoilt: String,
}

impl Collecting {
    /// Whose a workflow's messages are.
    fn mailbox(&self, workflow: &str) -> Option<&str> {
        let fitting = self.rules.iter().find(|it| fits(&it.workflow, workflow));
        fitting.map(|it| it.mailbox.as_str())
    }

    fn is_left(&self, workflow: &str) -> bool {
        self.left.iter().any(|it| fits(it, workflow))
    }
}

/// Whether a workflow id fits a pattern, whatever the case, as MESH compares them.
fn fits(pattern: &str, workflow: &str) -> bool {
    let (pattern, workflow) = (pattern.to_ascii_uppercase(), workflow.to_ascii_uppercase());
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == workflow;
    };
    let Some(mut left) = workflow.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match left.find(part) {
            Some(at) => left = left.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    left.ends_with(last)
}

impl Exchange {
    /// Takes what waits at the national service for mailboxes here; how many messages. The worker does this by itself.
    ///
    /// # Errors
    /// What keeps the mailbox, or one message in it, from being collected; what could be is.
    pub async fn collect_mail(&self, stop: &watch::Receiver<bool>) -> Result<usize, Problem> {
        let mailboxes = self.settings.mailboxes.clone();
        let (Some(mesh), Some(collecting)) = (&mailboxes.national, &mailboxes.collecting) else {
            return Ok(0);
        };
        let scope = Scope::system(SystemPurpose::CarryMail);
        self.claim(&scope, collecting).await?;
        mesh.handshake().await?;
        let (ids, more) = mesh.whole_inbox().await?;
        let (mut taken, mut round) = (0, Round::default());
        for id in ids {
            if *stop.borrow() {
                return Ok(taken);
            }
            // One that cannot be taken stays there, and does not hold up the others.
            let outcome = self.collect_one(&scope, (mesh, collecting), &id).await;
            let new = round.of_message(&id, outcome)?;
            taken += usize::from(new.unwrap_or(false));
        }
        if more && taken == 0 {
            let message = "More messages wait in the mailbox at MESH than can be listed, and none of those that can is for a \
                           mailbox here.";
            return Err(Problem::new(Kind::TooCostly, message));
        }
        round.ended().map(|()| taken)
    }

    /// Gives what was nobody's to whom a rule now says that it is.
    async fn claim(&self, scope: &Scope, collecting: &Collecting) -> Result<(), Problem> {
        let mut after = 0;
        loop {
            let found = self.store.mesh_nobodys(scope, after, NOBODYS_AT_ONCE);
            let found = found.await?;
            let Some(last) = found.last() else {
                return Ok(());
            };
            after = last.number;
            for it in &found {
                if let Some(mailbox) = collecting.mailbox(&it.workflow) {
                    let claim = MeshWrite::Claim {
                        number: it.number,
                        mailbox: mailbox.to_string(),
                    };
                    self.put_mail(scope, claim, &it.id).await?;
                }
            }
        }
    }

    /// Takes one message; whether it was new and for a mailbox here.
    async fn collect_one(
        &self,
        scope: &Scope,
        (mesh, collecting): (&Mesh, &Collecting),
        id: &str,
    ) -> Result<bool, Problem> {
        match self.store.mesh_collected(scope, id).await? {
            // A person has been told, and the service tells its sender in time.
            Some(here) if here.spoilt => return Ok(false),
            Some(_) => {
                // It was taken, and then the node ended.
                mesh.acknowledge(id).await?;
                return Ok(false);
            }
            None => {}
        }
        let head = match mesh.head(id).await {
            Ok(head) => head,
            Err(problem) if problem.kind == Kind::NotFound => return Ok(false),
            Err(problem) => return Err(problem),
        };
        let is_report = head.ty == MessageType::Report;
        if is_report && self.reported(scope, &head).await? {
            mesh.acknowledge(id).await?;
            return Ok(true);
        }
        if collecting.is_left(&head.workflow) {
            return Ok(false);
        }
        let content = match is_report {
            true => Content {
                chunks: Vec::new(),
                spoilt: String::new(),
            },
            false => self.content(scope, (mesh, collecting), (id, &head)).await?,
        };
        let is_spoilt = !content.spoilt.is_empty();
        let mailbox = collecting.mailbox(&head.workflow).unwrap_or_default();
        let came = FromOutside {
            id: id.to_string(),
            sender: head.from,
            recipient: mailbox.to_string(),
            local_id: head.local_id,
            workflow: head.workflow,
            is_report,
            envelope: serde_json::to_string(&head.written).unwrap_or_default(),
            chunks: content.chunks,
            linked: head.linked,
            status_code: head.status_code,
            reason: match is_report {
                true => head.status,
                false => String::new(),
            },
            spoilt: content.spoilt,
        };
        self.put_mail(scope, MeshWrite::FromOutside(Box::new(came)), id)
            .await?;
        // Of one that nobody here can read its sender is told as of one that nobody collects.
        if !is_spoilt {
            mesh.acknowledge(id).await?;
        }
        Ok(true)
    }

    /// Whether a report is about what a mailbox here sent. If so that mailbox has been told under its own names.
    async fn reported(&self, scope: &Scope, head: &Head) -> Result<bool, Problem> {
        let left = self.store.mesh_left_as(scope, &head.linked, &head.local_id);
        let message = match left.await {
            Ok(message) => message,
            Err(problem) if problem.kind == Kind::NotFound => return Ok(false),
            Err(problem) => return Err(problem),
        };
        let reason = match head.status.is_empty() {
            true => "MESH says that the message was not delivered".to_string(),
            false => head.status.clone(),
        };
        let write = MeshWrite::Reported {
            number: message.number,
            code: head.status_code.clone(),
            reason,
        };
        self.put_mail(scope, write, &message.id).await?;
        Ok(true)
    }

    /// The content, chunk by chunk: each is in memory once, and on the disk before the next is fetched. One that is not packed
    /// as it says is kept as it came.
    async fn content(
        &self,
        scope: &Scope,
        (mesh, collecting): (&Mesh, &Collecting),
        (id, head): (&str, &Head),
    ) -> Result<Content, Problem> {
        let (mut chunks, mut bytes) = (Vec::new(), 0_u64);
        let mut spoilt = String::new();
        for piece in 1..=head.pieces {
            let chunk = match mesh.piece(id, piece).await? {
                Piece::Sound(chunk) => chunk,
                Piece::Spoilt { bytes, why } => {
                    tracing::warn!(%why, id, "a message is kept as it came");
                    spoilt = format!("{} {UNTOLD}", why.message);
                    bytes
                }
            };
            let size = chunk.len() as u64;
            bytes = bytes.saturating_add(size);
            if bytes > collecting.message_bytes_max {
                let message = format!(
                    "A message of the workflow {} is longer than mesh_server.message_bytes_max and stays at MESH. Raise it, \
                     or ask its sender for smaller ones.",
                    head.workflow
                );
                return Err(Problem::new(Kind::TooLong, message));
            }
            let upload = uuid::Uuid::new_v4().simple().to_string();
            let mut first = 0_i64;
            for rows in chunk.chunks(ROWS_A_WRITE * PIECE_BYTES) {
                let write = MeshWrite::Pieces {
                    upload: upload.clone(),
                    first,
                    bytes: Arc::new(rows.to_vec()),
                };
                let job = Job::effect(Effect::Mesh(write));
                self.store.commit(scope, job).await?;
                first += i64::try_from(rows.len().div_ceil(PIECE_BYTES)).unwrap_or(0);
            }
            chunks.push(Stored {
                upload,
                size,
                plain: size,
                sha256: sha256_hex(&chunk),
            });
        }
        Ok(Content { chunks, spoilt })
    }

    async fn put_mail(&self, scope: &Scope, write: MeshWrite, id: &str) -> Result<(), Problem> {
        let mut job = Job::effect(Effect::Mesh(write));
        let target = Target {
            query: Some(format!("collected-from=MESH message={id}").into()),
            ..Target::default()
        };
        job.traces
            .push(scope.trace(Interaction::System, Outcome::Success, target));
        Box::pin(self.store.commit(scope, job)).await.map(|_| ())
    }
}

/// The worker.
pub(crate) async fn run(exchange: Arc<Exchange>, mut stop: watch::Receiver<bool>) {
    let Some(collecting) = exchange.settings.mailboxes.collecting.clone() else {
        return;
    };
    let every = u64::from(collecting.every_seconds).max(LEAST_SECONDS);
    while !*stop.borrow() {
        let what = match exchange.collect_mail(&stop).await {
            Ok(_) => None,
            Err(problem) => {
                tracing::warn!(%problem, "what waits at MESH for mailboxes here could not be collected");
                Some(problem.message)
            }
        };
        if let Err(problem) = exchange.store.set_alarm(ALARM, what).await {
            tracing::error!(%problem, "that mail cannot be collected could not be put on the work list");
        }
        tokio::select! {
            () = stopped(&mut stop) => {}
            () = tokio::time::sleep(std::time::Duration::from_secs(every)) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters_of_a_workflow() {
        for (pattern, workflow, fit) in [
            ("PATH_MEDRPT_V3", "PATH_MEDRPT_V3", true),
            ("PATH_MEDRPT_V3", "path_medrpt_v3", true),
            ("PATH_*", "PATH_MEDRPT_V3", true),
            ("PATH_*", "PATH_", true),
            ("PATH_*", "XPATH_A", false),
            ("*_ACK", "TOC_FHIR_IP_DISCH_ACK", true),
            ("*_ACK", "TOC_FHIR_IP_DISCH", false),
            ("TOC_*_DISCH", "TOC_FHIR_IP_DISCH", true),
            ("TOC_*_DISCH", "TOC_DISCH", false),
            ("A*B*C", "AxxBxBxC", true),
            ("A*BA", "ABA", true),
            ("AB*BA", "ABA", false),
            ("*", "", true),
            ("", "", true),
            ("", "X", false),
        ] {
            assert_eq!(fits(pattern, workflow), fit, "{pattern} {workflow}");
        }
    }

    #[test]
    fn the_first_rule_that_fits_holds() {
        let rule = |workflow: &str, mailbox: &str| Rule {
            workflow: workflow.into(),
            mailbox: mailbox.into(),
        };
        let collecting = Collecting {
            rules: vec![rule("PATH_*", "LAB"), rule("*", "REST")],
            left: vec!["TOC_*".into()],
            ..Collecting::default()
        };
        assert_eq!(collecting.mailbox("PATH_V3"), Some("LAB"));
        assert_eq!(collecting.mailbox("RAD_V3"), Some("REST"));
        assert!(collecting.is_left("TOC_FHIR_IP_DISCH"));
    }
}
