//! The answer: those who may be used. Whoever was asked about and is not in it has opted out.

use std::collections::HashSet;

use access::NhsNumber;
use fhir::problem::{Kind, Problem};
use store::opt_out::{Check, NUMBERS_A_WRITE_MAX, OptOutWrite};

use super::lines::{Fault, Lines};
use super::{OptOuts, is_reference, line};
use crate::mesh::{Head, MessageType, Piece, Round};

/// What a message in the inbox is to us.
#[derive(Debug, PartialEq, Eq)]
enum Is {
    /// The answer to the open check.
    Answer,
    /// What became of the open check's message: it did not arrive.
    Report,
    /// An answer or report to one that is open no more.
    Late,
    /// Somebody else's: this mailbox may have other uses.
    Foreign,
}

impl OptOuts {
    /// Looks through the inbox for what is about this check; what went wrong with single messages.
    pub(super) async fn take_in(&self, check: &Check) -> Result<Round, Problem> {
        let mut round = Round::default();
        let settings = &self.settings;
        let listed = self.mesh.inbox(&settings.answer_workflow).await;
        let mut ids = round.noted(listed)?.unwrap_or_default();
        if settings.request_workflow != settings.answer_workflow {
            // Reports stand under what was sent.
            let listed = self.mesh.inbox(&settings.request_workflow).await;
            ids.extend(round.noted(listed)?.unwrap_or_default());
        }
        for id in ids {
            let looked = self.one(&id, check).await;
            if round.of_message(&id, looked)? == Some(true) {
                break;
            }
        }
        Ok(round)
    }

    /// Looks at one message; whether the check is done with.
    async fn one(&self, id: &str, check: &Check) -> Result<bool, Problem> {
        let head = match self.mesh.head(id).await {
            Ok(head) => head,
            Err(problem) if problem.kind == Kind::NotFound => return Ok(false),
            Err(problem) => return Err(problem),
        };
        let is_done = match self.is(&head, check) {
            Is::Answer => self.answer(id, &head, check).await?,
            Is::Report => {
                let code = &head.status_code;
                let reason = format!(
                    "MESH reports that it did not arrive (code {code}). Check [opt_out] mailbox and request_workflow."
                );
                self.fail(check, &reason).await?;
                true
            }
            Is::Late => {
                tracing::warn!("an answer about opt-outs came too late, and is passed over");
                false
            }
            Is::Foreign => return Ok(false),
        };
        match self.mesh.acknowledge(id).await {
            // It was the last that this check is about; the next check finds it late, and says so.
            Err(problem) if is_done => {
                tracing::warn!(%problem, "an answer about opt-outs was not acknowledged");
                Ok(true)
            }
            Err(problem) => Err(problem),
            Ok(()) => Ok(is_done),
        }
    }

    fn is(&self, head: &Head, check: &Check) -> Is {
        let names = [&head.local_id, &head.subject, &head.file_name];
        let mailbox = self.mesh.mailbox();
        let is_ours = names.iter().any(|name| is_reference(mailbox, name));
        if head.ty == MessageType::Report {
            return match head.linked == check.message || head.local_id == check.reference {
                true => Is::Report,
                false if is_ours => Is::Late,
                false => Is::Foreign,
            };
        }
        let is_theirs = head.from.eq_ignore_ascii_case(&self.settings.answers_from)
            && head.workflow == self.settings.answer_workflow;
        if !is_theirs {
            return Is::Foreign;
        }
        match names.iter().any(|name| name.contains(&check.reference)) {
            true => Is::Answer,
            false if is_ours => Is::Late,
            false => Is::Foreign,
        }
    }

    /// Takes an answer in; whether the check is done with.
    async fn answer(&self, id: &str, head: &Head, check: &Check) -> Result<bool, Problem> {
        let number = check.number;
        // What an earlier try may have left.
        self.write(OptOutWrite::Forget { number }, Vec::new())
            .await?;
        let taken = self.numbers(id, head, number).await;
        match taken {
            Ok(None) => Ok(false),
            Ok(Some(usable)) => {
                let told = format!(
                    "opt-out check {number} answered: {usable} of {} people may be used",
                    check.asked
                );
                let in_force = OptOutWrite::InForce { number, usable };
                self.write(in_force, vec![line(told)]).await?;
                Ok(true)
            }
            Err(problem) if problem.kind == Kind::BusinessRule => {
                self.fail(check, &problem.message).await?;
                Ok(true)
            }
            Err(problem) => Err(problem),
        }
    }

    /// Stores the numbers of an answer; how many there are. `None` for a receipt.
    async fn numbers(&self, id: &str, head: &Head, number: i64) -> Result<Option<u64>, Problem> {
        let mut lines = Lines::default();
        let mut seen = HashSet::new();
        for piece in 1..=head.pieces {
            let body = match self.mesh.piece(id, piece).await? {
                Piece::Sound(body) => body,
                Piece::Spoilt { why, .. } => {
                    let message = format!("The answer does not read. {}", why.message);
                    return Err(Problem::new(Kind::BusinessRule, message));
                }
            };
            let found = match lines.read(&body) {
                Err(Fault::Receipt) => return Ok(None),
                read => read.map_err(unread)?,
            };
            seen.extend(found.iter().cloned());
            self.keep(number, &found).await?;
        }
        let last = lines.end().map_err(unread)?;
        seen.extend(last.iter().cloned());
        self.keep(number, last.as_slice()).await?;
        Ok(Some(seen.len() as u64))
    }

    async fn keep(&self, number: i64, numbers: &[NhsNumber]) -> Result<(), Problem> {
        for some in numbers.chunks(NUMBERS_A_WRITE_MAX) {
            let numbers = some.to_vec();
            let usable = OptOutWrite::Usable { number, numbers };
            self.write(usable, Vec::new()).await?;
        }
        Ok(())
    }
}

fn unread(_: Fault) -> Problem {
    let message = "The answer holds a line that is no NHS number and a comma. The service says so too when it was \
                   sent a number that it does not take.";
    Problem::new(Kind::BusinessRule, message)
}
