//! Neighbours witness each other's audit logs (`docs/protocol/witness.md`): a node shows its newest
//! signed checkpoint, with the proof that it continues the one before; the neighbour signs under it,
//! and keeps it. A log that is shorter than it was, or has another past, is found out by both.

use std::sync::Arc;

use access::{Ods, merkle};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fhir::problem::{Kind, Problem};
use sha2::{Digest, Sha256};
use store::{AuditWrite, Checkpoint, Cosignature};
use tokio::sync::watch;

use crate::exchange::Exchange;
use crate::keys::PublicKey;
use crate::note::{NOTE_BYTES_MAX, Statement, signatures, signer};

/// A checkpoint is signed at most so often, when there is something new.
const CHECKPOINT_EVERY_SECONDS: u64 = 5;
/// Neighbours see it in every second round.
const ROUNDS_TO_WITNESSES: u64 = 2;
/// How many neighbours are asked.
const WITNESSES_MAX: usize = 3;
/// Hashes in a proof: a log of more lines than 2⁶³ there is not.
const PROOF_HASHES_MAX: usize = 64;
/// The longest request and answer.
pub const WITNESS_BYTES_MAX: usize = 2 * NOTE_BYTES_MAX;
/// Kinds of alarm.
const OWN_LOG: &str = "own-log";
const NEIGHBOUR_LOG: &str = "neighbour-log";

/// What a witness says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Witnessing {
    /// It signed: its line.
    Signed(String),
    /// It has seen another checkpoint last: that one, as its origin signed it, with the witness's line.
    Seen(String),
}

/// A checkpoint that somebody shows, and what it continues.
struct Shown {
    old: u64,
    proof: Vec<merkle::Hash>,
    note: String,
}

impl Shown {
    /// <https://c2sp.org/tlog-witness>: `old N`, the proof a line each, an empty line, the note.
    fn text(&self) -> String {
        let mut text = format!("old {}\n", self.old);
        for hash in &self.proof {
            text.push_str(&STANDARD.encode(hash));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.note);
        text
    }

    fn read(body: &[u8]) -> Option<Shown> {
        let text = std::str::from_utf8(body).ok()?;
        let (head, note) = text.split_once("\n\n")?;
        let mut lines = head.lines();
        let old = lines.next()?.strip_prefix("old ")?.parse().ok()?;
        let hash = |line: &str| STANDARD.decode(line).ok()?.try_into().ok();
        let proof: Vec<merkle::Hash> = lines
            .take(PROOF_HASHES_MAX + 1)
            .map(hash)
            .collect::<Option<_>>()?;
        (proof.len() <= PROOF_HASHES_MAX).then(|| Shown {
            old,
            proof,
            note: note.to_string(),
        })
    }
}

impl Exchange {
    /// The keys with which that organisation may have signed: also those whose time is over, since
    /// what they signed stays signed.
    pub fn audit_keys(&self, ods: &Ods) -> Vec<PublicKey> {
        let member = self.book.listed(ods);
        let keys = member.iter().flat_map(|member| &member.keys);
        keys.map(|key| key.jwk.clone()).collect()
    }

    /// Grows the log's tree, and signs a checkpoint if there is something new. Its time never goes
    /// back, whatever the clock does.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn checkpoint(&self) -> Result<Option<Checkpoint>, Problem> {
        let head = self.store.grow_audit_tree().await?;
        let last = self.store.last_checkpoint().await?;
        if last.as_ref().is_some_and(|last| last.size == head.size) || head.size == 0 {
            return Ok(last);
        }
        let at = last.map_or(0, |last| last.at).max(self.store.now()) / 1000 * 1000;
        let statement = Statement {
            origin: self.organisation().clone(),
            size: head.size,
            root: head.root,
            at,
        };
        let signed = Checkpoint {
            size: head.size,
            at,
            last_seq: head.last_seq,
            root: head.root,
            note: statement.sign(&self.identity.signing())?,
        };
        self.store.write_audit(AuditWrite::Signed(signed)).await?;
        self.store.last_checkpoint().await
    }

    /// The neighbours that witness this node's log: always the same few of the directory.
    pub fn witnesses(&self) -> Vec<Ods> {
        let own = self.organisation();
        let mut others: Vec<([u8; 32], Ods)> = self
            .book
            .members()
            .iter()
            .filter_map(|member| member.organisation().ok())
            .filter(|ods| ods != own)
            .map(|ods| (Sha256::digest(format!("{own} {ods}")).into(), ods))
            .collect();
        others.sort();
        let chosen = others.into_iter().take(WITNESSES_MAX);
        chosen.map(|(_, ods)| ods).collect()
    }

    /// Shows the newest checkpoint to each witness that has not signed it.
    ///
    /// # Errors
    /// Those of the store. A witness that cannot be reached is asked again in the next round.
    pub async fn be_witnessed(&self) -> Result<(), Problem> {
        let Some(checkpoint) = self.checkpoint().await? else {
            return Ok(());
        };
        for witness in self.witnesses() {
            if let Err(problem) = self.be_witnessed_by(&witness, &checkpoint).await {
                tracing::warn!(?problem, %witness, "the audit log's checkpoint was not witnessed");
            }
        }
        Ok(())
    }

    async fn be_witnessed_by(&self, witness: &Ods, newest: &Checkpoint) -> Result<(), Problem> {
        let mut old = self.store.cosigned_upto(witness.as_str()).await?;
        // Once more if the witness has seen something else than was thought.
        for _ in 0..2 {
            if old >= newest.size {
                return self.look_at_witness(witness, newest).await;
            }
            let shown = Shown {
                old,
                proof: self.store.audit_consistency(old, newest.size).await?,
                note: newest.note.clone(),
            };
            let answer = self.transport.witness(witness, shown.text().into()).await;
            let answer = answer.map_err(|it| Problem::new(Kind::Transient, it.sentence))?;
            match answer {
                Witnessing::Signed(line) => {
                    return self.keep_cosignature(witness, newest, &line).await;
                }
                // It begins anew, as after `handover audit accept`.
                Witnessing::Seen(note) if note.is_empty() => old = 0,
                Witnessing::Seen(note) => match self.compare(witness, newest, &note).await? {
                    Some(seen) => old = seen,
                    None => return Ok(()),
                },
            }
        }
        Ok(())
    }

    /// Whether what the witness has seen last is still the beginning of this log.
    async fn look_at_witness(&self, witness: &Ods, newest: &Checkpoint) -> Result<(), Problem> {
        let seen = self.transport.witnessed(witness).await;
        let seen = seen.map_err(|it| Problem::new(Kind::Transient, it.sentence))?;
        if !seen.is_empty() {
            self.compare(witness, newest, &seen).await?;
        }
        Ok(())
    }

    async fn keep_cosignature(
        &self,
        witness: &Ods,
        checkpoint: &Checkpoint,
        line: &str,
    ) -> Result<(), Problem> {
        let statement = Statement {
            origin: self.organisation().clone(),
            size: checkpoint.size,
            root: checkpoint.root,
            at: checkpoint.at,
        };
        let at = statement.check_cosignature(line, witness, &self.audit_keys(witness))?;
        let write = AuditWrite::Cosigned(Cosignature {
            size: checkpoint.size,
            witness: witness.to_string(),
            at,
            line: line.to_string(),
        });
        self.store.write_audit(write).await
    }

    /// Compares this log with what a witness shows as seen before: its size, if it is a beginning of
    /// this log; else the alarm is raised.
    async fn compare(
        &self,
        witness: &Ods,
        newest: &Checkpoint,
        note: &str,
    ) -> Result<Option<u64>, Problem> {
        let own = self.organisation().clone();
        let seen = Statement::open(note, |origin| match *origin == own {
            true => vec![self.identity.signing().public().clone()]
                .into_iter()
                .chain(self.audit_keys(&own))
                .collect(),
            false => Vec::new(),
        })?;
        let there = seen.size <= newest.size;
        if there && self.store.audit_root(seen.size).await? == seen.root {
            // Its answer may have been lost: its signature is under the note.
            let line = signatures(note).find(|line| signer(line).as_ref() == Some(witness));
            if let Some(line) = line {
                let write = AuditWrite::Cosigned(Cosignature {
                    size: seen.size,
                    witness: witness.to_string(),
                    at: seen.check_cosignature(line, witness, &self.audit_keys(witness))?,
                    line: format!("{line}\n"),
                });
                self.store.write_audit(write).await?;
            }
            return Ok(Some(seen.size));
        }
        let what = if there {
            format!(
                "The first {} lines of this node's audit log are not those that {witness} witnessed. \
                 Run `handover audit verify` to see from where on.",
                seen.size
            )
        } else {
            format!(
                "This node's audit log has {} lines, but {witness} witnessed {}: lines are gone, as \
                 after a restore from an old copy. Run `handover audit verify`.",
                newest.size, seen.size
            )
        };
        self.alarm(OWN_LOG, witness.to_string(), what).await?;
        Ok(None)
    }

    async fn alarm(&self, kind: &'static str, about: String, what: String) -> Result<(), Problem> {
        tracing::error!(kind, %about, %what, "an audit log is not what it was");
        let write = AuditWrite::Alarm { kind, about, what };
        self.store.write_audit(write).await
    }

    /// Answers `POST /exchange/v1/checkpoints` from `peer`.
    ///
    /// # Errors
    /// `Structure` or `Security` if it is not a checkpoint of the peer's; `Security`, and an alarm here,
    /// if its past is another than what was seen.
    pub async fn take_checkpoint(&self, peer: &Ods, body: &[u8]) -> Result<Witnessing, Problem> {
        let wrong = || {
            Problem::new(
                Kind::Structure,
                "This is not of the witness protocol's form.",
            )
        };
        let shown = Shown::read(body).ok_or_else(wrong)?;
        let now = self.store.now();
        let member = self.book.member(peer, now);
        let statement = Statement::open(&shown.note, |_| {
            let keys = member.iter().flat_map(|member| &member.keys);
            let valid = keys.filter(|key| key.from <= now && now < key.until);
            valid.map(|key| key.jwk.clone()).collect()
        })?;
        if statement.origin != *peer {
            let message = "The checkpoint is another organisation's.";
            return Err(Problem::new(Kind::Security, message));
        }
        let seen = self.store.witnessed(peer.as_str()).await?;
        let old = seen.as_ref().map_or(0, |seen| seen.size);
        if let Some(what) = contradiction(&statement, seen.as_ref()) {
            self.alarm(NEIGHBOUR_LOG, peer.to_string(), what).await?;
        }
        if shown.old != old || statement.size <= old {
            // With its own signature it can see for itself.
            return Ok(Witnessing::Seen(
                seen.map_or_else(String::new, |it| it.note),
            ));
        }
        let before = seen.map_or_else(merkle::empty, |seen| seen.root);
        let (past, present) = ((old, &before), (statement.size, &statement.root));
        if !merkle::is_consistent(past, present, &shown.proof) {
            let what = format!(
                "{peer} showed an audit log of {} lines that does not begin with the {old} lines that \
                 this node witnessed, or did not prove it.",
                statement.size
            );
            self.alarm(NEIGHBOUR_LOG, peer.to_string(), what).await?;
            let message = "The proof does not show that this log continues what was witnessed.";
            return Err(Problem::new(Kind::Security, message));
        }
        self.sign_under(peer, old, &statement, shown.note).await
    }

    async fn sign_under(
        &self,
        peer: &Ods,
        old: u64,
        statement: &Statement,
        note: String,
    ) -> Result<Witnessing, Problem> {
        let own = self.organisation();
        let line = statement.cosign(own, &self.identity.signing(), self.store.now())?;
        let write = AuditWrite::Witnessed {
            origin: peer.to_string(),
            old,
            checkpoint: Checkpoint {
                size: statement.size,
                at: statement.at,
                last_seq: 0,
                root: statement.root,
                note: format!("{}{line}", with_own_signatures(&note)),
            },
        };
        self.store.write_audit(write).await?;
        Ok(Witnessing::Signed(line))
    }

    /// Answers `GET /exchange/v1/checkpoints`: the last of the peer's that this node signed; empty if
    /// there is none.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn show_witnessed(&self, peer: &Ods) -> Result<String, Problem> {
        let seen = self.store.witnessed(peer.as_str()).await?;
        Ok(seen.map_or_else(String::new, |seen| seen.note))
    }

    /// What a neighbour has witnessed of this node's log, if it can be reached.
    ///
    /// # Errors
    /// One sentence why not.
    pub async fn ask_witness(&self, witness: &Ods) -> Result<String, String> {
        let answer = self.transport.witnessed(witness).await;
        answer.map_err(|failure| failure.sentence)
    }
}

/// A note as it is kept: its origin's signatures only.
fn with_own_signatures(note: &str) -> String {
    let Some((body, _)) = note.split_once("\n\n") else {
        return String::new();
    };
    let origin = body.lines().next().unwrap_or_default();
    let mut kept = format!("{body}\n\n");
    let own = signatures(note).filter(|line| {
        signer(line).is_some_and(|ods| origin.strip_prefix("handover/") == Some(ods.as_str()))
    });
    for line in own {
        kept.push_str(line);
        kept.push('\n');
    }
    kept
}

/// What two statements of one organisation's cannot both be true of, if so. An old statement that was
/// sent again is none: it says an older time.
fn contradiction(shown: &Statement, seen: Option<&Checkpoint>) -> Option<String> {
    let seen = seen?;
    let origin = &shown.origin;
    if shown.size == seen.size && shown.root != seen.root {
        return Some(format!(
            "{origin} signed two different audit logs of {} lines.",
            seen.size
        ));
    }
    (shown.size < seen.size && shown.at > seen.at).then(|| {
        format!(
            "{origin}'s audit log had {} lines and later only {}: it was restored from an old copy, or \
             lines were removed.",
            seen.size, shown.size
        )
    })
}

/// Keeps the log's tree and checkpoints, and has them witnessed, until `stopped` turns true.
pub(crate) async fn run(exchange: Arc<Exchange>, mut stopped: watch::Receiver<bool>) {
    let every = std::time::Duration::from_secs(CHECKPOINT_EVERY_SECONDS);
    for round in 0_u64.. {
        let done = if round % ROUNDS_TO_WITNESSES == 0 {
            exchange.be_witnessed().await
        } else {
            exchange.checkpoint().await.map(|_| ())
        };
        if let Err(problem) = done {
            tracing::error!(?problem, "the audit log's checkpoint could not be made");
        }
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(every) => {}
        }
    }
}
