//! Handing letters to MESH.

use fhir::itk3::Part;
use fhir::problem::{Kind, Problem};
use store::hl7_inbox::WorkNote;
use store::itk3::{Itk3Write, ToSend, UnderWay, Way};
use tokio::sync::watch;

use super::make::{self, Sender};
use super::{HOUR_MILLIS, Itk3, routing};
use crate::keys::sha256_hex;
use crate::mesh::Envelope;

/// Letters that are read at once: each message is held in memory whole.
const READ_MAX: u32 = 8;
/// Where processes share the store, a letter that is being handed over for longer than this is nobody's.
const HANDING_MILLIS_MAX: i64 = 10 * 60_000;

impl Itk3 {
    /// What a process that ended was handing over: if MESH has it, it has it; else a person looks. Sent again by
    /// itself it might come twice, and dropped, never.
    pub(super) async fn cut_off(&self, is_first: bool) -> Result<(), Problem> {
        let age = match is_first && !self.store.is_shared() {
            true => 0,
            false => HANDING_MILLIS_MAX,
        };
        let before = self.store.now() - age;
        let handing = self.store.itk3_under_way(&self.scope, Way::Handing, before);
        for it in handing.await?.iter().filter(|it| it.holder != self.holder) {
            tracing::warn!(letter = it.number, "handing a letter to MESH was cut off");
            let number = it.number;
            let write = match self.mesh.tracked_as(&it.local_id).await {
                // Asked again in the next round.
                Err(problem) if passes(&problem) => return Err(problem),
                Ok(Some(known)) => Itk3Write::Handed {
                    number,
                    outside: known.message_id,
                },
                Ok(None) | Err(_) => Itk3Write::Unsure {
                    number,
                    note: unclear(
                        it,
                        "The node was stopped while it handed the letter to MESH",
                    ),
                },
            };
            self.passed(write).await?;
        }
        Ok(())
    }

    pub(super) async fn send_all(&self, stop: &watch::Receiver<bool>) -> Result<(), Problem> {
        let letters = self.store.itk3_to_send(&self.scope, READ_MAX).await?;
        if letters.is_empty() {
            return Ok(());
        }
        // If MESH cannot be reached nothing is begun.
        self.mesh.handshake().await?;
        for letter in &letters {
            if *stop.borrow() {
                break;
            }
            self.send(letter).await?;
        }
        Ok(())
    }

    async fn send(&self, letter: &ToSend) -> Result<(), Problem> {
        let number = letter.number;
        let to = match letter.mailbox.as_str() {
            "" => routing::mailbox_of(&letter.named, self.settings.date_order),
            mailbox => Ok(mailbox.to_owned()),
        };
        let (to, parts) = match (to, self.parts(letter).await) {
            (Ok(to), Ok(parts)) => (to, parts),
            (_, Err(problem)) if passes(&problem) => return Err(problem),
            (Err(problem), _) | (_, Err(problem)) => {
                return self.failed(number, &problem.message).await;
            }
        };
        let me = self.store.organisation();
        let sender = Sender {
            ods: me.as_str(),
            name: &self.settings.name,
            telephone: &self.settings.telephone,
            mailbox: self.mesh.mailbox(),
            discharge_definition: self.settings.discharge_definition.as_deref(),
        };
        let (bytes, subject) = match make::message(&sender, letter, parts) {
            Ok(made) => made,
            Err(problem) => return self.failed(number, &problem.message).await,
        };
        let plain = letter.header.replace('-', "");
        let local_id = format!("H{}-{plain}", letter.tries.saturating_add(1));
        let handing = Itk3Write::Handing {
            number,
            holder: self.holder.clone(),
            local_id: local_id.clone(),
        };
        // Durable before anything leaves: that it is about to, and the trace of it. A mailbox that is named by the
        // patient is not told in the log.
        let told = if letter.mailbox.is_empty() {
            "the patient's practice"
        } else {
            &to
        };
        let line = self.line(
            format!("sent-by-itk3-to={told} ({})", letter.ods),
            letter.patient.clone(),
            letter.document.clone(),
        );
        match self.traced(handing, Some(line)).await {
            Ok(()) => {}
            // Taken back, or another process of this node has it.
            Err(problem) if problem.kind == Kind::Conflict => return Ok(()),
            Err(problem) => return Err(problem),
        }
        let envelope = Envelope {
            to: &to,
            workflow: &letter.workflow,
            local_id: &local_id,
            subject: &subject,
            file_name: &format!("{local_id}.xml"),
        };
        let sent = self.mesh.send(&envelope, 1, bytes.into()).await;
        self.note(letter, &local_id, sent).await
    }

    /// The letter's parts, as they were accepted.
    async fn parts(&self, letter: &ToSend) -> Result<Vec<Part>, Problem> {
        let me = self.store.organisation();
        let mut parts = Vec::new();
        for part in &letter.parts {
            let reading = self
                .store
                .content_bytes(&self.scope, me, &part.sha256, 0, true);
            let bytes = reading.await?;
            if sha256_hex(&bytes) != part.sha256 {
                let message = "A part of it is not here as it was accepted.";
                return Err(Problem::new(Kind::Exception, message));
            }
            parts.push(Part {
                content_type: part.content_type.clone(),
                bytes,
            });
        }
        Ok(parts)
    }

    /// Writes down what became of it. Where MESH's answer was lost, it is asked.
    async fn note(
        &self,
        letter: &ToSend,
        local_id: &str,
        sent: Result<String, Problem>,
    ) -> Result<(), Problem> {
        let number = letter.number;
        let problem = match sent {
            Ok(outside) => return self.passed(Itk3Write::Handed { number, outside }).await,
            Err(problem) => problem,
        };
        tracing::warn!(%problem, letter = number, "MESH did not say that it has a letter");
        if problem.kind == Kind::Value {
            return self.failed(number, &problem.message).await;
        }
        let write = match self.mesh.tracked_as(local_id).await {
            Ok(Some(known)) => Itk3Write::Handed {
                number,
                outside: known.message_id,
            },
            Ok(None) => {
                let tries = letter.tries.saturating_add(1);
                let give_up = tries >= self.settings.tries_max;
                Itk3Write::NotTaken {
                    number,
                    next_try: self.backoff.next_try(self.store.now(), tries),
                    error: problem.message.clone(),
                    note: give_up.then(|| not_taken(&problem.message)),
                }
            }
            Err(_) => {
                let it = UnderWay {
                    number,
                    ods: letter.ods.clone(),
                    holder: self.holder.clone(),
                    local_id: local_id.to_owned(),
                    outside: String::new(),
                };
                let note = unclear(&it, "The connection to MESH broke while it was handed over");
                Itk3Write::Unsure { number, note }
            }
        };
        self.passed(write).await
    }

    async fn failed(&self, number: i64, why: &str) -> Result<(), Problem> {
        let note = not_taken(why);
        self.passed(Itk3Write::Failed { number, note }).await
    }

    /// What no response came for in time goes before a person; the response may still come.
    pub(super) async fn unanswered(&self) -> Result<(), Problem> {
        let (machines, people) = (
            self.settings.infrastructure_hours,
            self.settings.business_hours,
        );
        for (way, hours, what, next) in [
            (
                Way::Handed,
                machines,
                "whether its system has taken the letter in (infrastructure response)",
                "Ring them and ask whether the letter is there. If it is not, send it again, by fax or by post; then settle it.",
            ),
            (
                Way::Received,
                people,
                "whether the patient is known there (business response), though its system has the letter",
                "Ring them and ask whether somebody has seen the letter. Settle it when that is clear.",
            ),
        ] {
            let before = self.store.now() - i64::from(hours) * HOUR_MILLIS;
            for it in self.store.itk3_under_way(&self.scope, way, before).await? {
                let note = WorkNote {
                    reason: format!("After {hours} hours {} has not said {what}.", it.ods),
                    next_step: next.to_owned(),
                };
                let number = it.number;
                self.passed(Itk3Write::Unanswered { number, note }).await?;
            }
        }
        Ok(())
    }
}

fn unclear(it: &UnderWay, why: &str) -> WorkNote {
    WorkNote {
        reason: format!("{why}, and MESH does not say that it has it; it may or may not."),
        next_step: format!(
            "Whoever runs the node: look at MESH for a message with the local id {}. If it is there, say that it was \
             sent; if it is not, send it again: its receiver can tell by its name that it is the same letter.",
            it.local_id
        ),
    }
}

fn not_taken(why: &str) -> WorkNote {
    WorkNote {
        reason: format!("MESH did not take the letter: {why}"),
        next_step: "Whoever runs the node: see whether [mesh] and [itk3] are right. Then send it again, by fax or by post, \
                    and settle it when it has gone another way."
            .to_owned(),
    }
}

pub(super) fn passes(problem: &Problem) -> bool {
    matches!(
        problem.kind,
        Kind::Transient | Kind::Throttled | Kind::NoStore | Kind::Timeout
    )
}
