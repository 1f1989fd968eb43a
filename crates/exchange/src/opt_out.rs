//! Asking the national service which of the people here opted out of uses beyond their care: their NHS
//! numbers go to it over MESH, and those who did not opt out come back (`docs/opt-out.md`,
//! <https://digital.nhs.uk/services/national-data-opt-out/compliance-with-the-national-data-opt-out/check-for-national-data-opt-outs-service>).
//!
//! Invariant: no NHS number stands in a log, an error or a message's envelope. Invariant: an answer is
//! believed only if it comes from the service's mailbox, under a question that is open, and names nobody
//! who was not asked about.

mod ask;
mod lines;
mod take_in;

use std::time::Duration;

use access::{AuditEntry, Outcome, Scope, SystemPurpose, Target};
use fhir::date::{self, Millis};
use fhir::problem::{Kind, Problem};
use store::opt_out::{Check, CheckState, OptOutWrite, Standing};
use store::{Effect, Job, Store};
use tokio::sync::watch;

use crate::mesh::{Mesh, Round};

/// What is being listed for so long was left by a process that ended.
const ASKING_MILLIS_MAX: Millis = 15 * MINUTE;
/// After a check that failed, so long is waited before the next.
const AGAIN_AFTER_MILLIS: Millis = 60 * MINUTE;
/// How often the worker looks: into the mailbox only while an answer is awaited.
const LOOK_EVERY: Duration = Duration::from_secs(300);
const MINUTE: Millis = 60_000;
const HOUR: Millis = 60 * MINUTE;

/// The kind of the alarm about checks that fail.
pub const ALARM: &str = "opt-out";

/// Whom to ask, and how often.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The service's mailbox.
    pub mailbox: String,
    /// The mailbox that answers come from.
    pub answers_from: String,
    pub request_workflow: String,
    pub answer_workflow: String,
    /// The next check begins so long after the last was sent.
    pub every_hours: u32,
    /// An answer that has not come after so long does not come any more.
    pub answer_hours: u32,
    /// A piece of a question, in bytes, at most.
    pub piece_bytes: usize,
}

/// The node's asking.
#[derive(Clone)]
pub struct OptOuts {
    store: Store,
    mesh: Mesh,
    settings: Settings,
}

/// What came of a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Looked {
    /// No check is under way, and none is due.
    Idle,
    /// A check was sent.
    Sent(Check),
    /// A check's answer has not come yet.
    Waiting(Check),
    /// A check was answered.
    Answered(Check),
    Failed(Check),
}

/// When the next check is to be begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Due,
    Now,
}

impl OptOuts {
    pub fn new(store: Store, mesh: Mesh, settings: Settings) -> OptOuts {
        OptOuts {
            store,
            mesh,
            settings,
        }
    }

    /// Takes in what has been answered, gives up what never will be, and begins a check if none is
    /// under way and it is time.
    ///
    /// # Errors
    /// Those of the store and of MESH.
    pub async fn look(&self, when: When) -> Result<Looked, Problem> {
        let standing = self.store.opt_out_standing().await?;
        let now = self.store.now();
        match standing.latest.clone() {
            Some(check) if check.state == CheckState::Sent => {
                self.mesh.handshake().await?;
                let round = self.take_in(&check).await?;
                let looked = self.state_of(check.number).await?;
                let is_late = now - check.sent_at > i64::from(self.settings.answer_hours) * HOUR;
                match looked {
                    Looked::Waiting(_) if is_late => {
                        let hours = self.settings.answer_hours;
                        let reason = format!("No answer came within {hours} hours.");
                        self.fail(&check, &reason).await?;
                        self.state_of(check.number).await
                    }
                    Looked::Waiting(check) => {
                        self.show_trouble(round).await;
                        Ok(Looked::Waiting(check))
                    }
                    looked => Ok(looked),
                }
            }
            Some(check) if check.state == CheckState::Asking => {
                if now - check.begun_at <= ASKING_MILLIS_MAX {
                    return Ok(Looked::Waiting(check));
                }
                self.fail(&check, "The node ended before it was sent.")
                    .await?;
                self.state_of(check.number).await
            }
            latest => {
                if when == When::Due && !self.is_due(&standing, now) {
                    self.write(OptOutWrite::Tidy, Vec::new()).await?;
                    return Ok(Looked::Idle);
                }
                let number = latest.map_or(1, |check| check.number + 1);
                self.mesh.handshake().await?;
                self.begin(number).await?;
                Ok(match self.state_of(number).await? {
                    Looked::Waiting(check) => Looked::Sent(check),
                    looked => looked,
                })
            }
        }
    }

    fn is_due(&self, standing: &Standing, now: Millis) -> bool {
        let failed_at = match &standing.latest {
            Some(check) if check.state == CheckState::Failed => check.answered_at,
            _ => Millis::MIN / 2,
        };
        let sent_at = standing.in_force.as_ref().map(|check| check.sent_at);
        let every = i64::from(self.settings.every_hours) * HOUR;
        now - failed_at >= AGAIN_AFTER_MILLIS && sent_at.is_none_or(|at| now - at >= every)
    }

    /// Where the check of that number, the latest, stands now.
    ///
    /// # Errors
    /// `Conflict` if there is a later one; those of the store.
    pub async fn state_of(&self, number: i64) -> Result<Looked, Problem> {
        let latest = self.store.opt_out_standing().await?.latest;
        let check = latest.filter(|check| check.number == number);
        let Some(check) = check else {
            let message = "The check for opt-outs has gone on elsewhere meanwhile.";
            return Err(Problem::new(Kind::Conflict, message));
        };
        Ok(match check.state {
            CheckState::Asking | CheckState::Sent => Looked::Waiting(check),
            CheckState::Answered => Looked::Answered(check),
            CheckState::Failed => Looked::Failed(check),
        })
    }

    async fn fail(&self, check: &Check, reason: &str) -> Result<(), Problem> {
        tracing::warn!(check = check.number, reason, "a check for opt-outs failed");
        let fail = OptOutWrite::Fail {
            number: check.number,
            reason: reason.to_string(),
        };
        let told = format!("opt-out check {} failed: {reason}", check.number);
        self.write(fail, vec![line(told)]).await
    }

    async fn write(&self, write: OptOutWrite, traces: Vec<AuditEntry>) -> Result<(), Problem> {
        let job = Job {
            effects: vec![Effect::OptOut(write)],
            traces,
            ..Job::default()
        };
        self.store.commit(&scope(), job).await.map(|_| ())
    }

    /// Looks, again and again, until told to stop.
    pub async fn run(self, mut stopped: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                looked = self.look_and_show() => told(looked),
                _ = stopped.wait_for(|stop| *stop) => return,
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = stopped.wait_for(|stop| *stop) => return,
            }
        }
    }
}

impl OptOuts {
    /// Looks. What keeps checks from being answered then stands on the work list, until one is.
    ///
    /// # Errors
    /// As `look`.
    pub async fn look_and_show(&self) -> Result<Looked, Problem> {
        let looked = self.look(When::Due).await;
        self.show(&looked).await;
        looked
    }

    async fn show(&self, looked: &Result<Looked, Problem>) {
        let what = match looked {
            Ok(Looked::Idle | Looked::Sent(_) | Looked::Waiting(_)) => return,
            Ok(Looked::Answered(_)) => None,
            Ok(Looked::Failed(check)) => Some(check.reason.clone()),
            Err(problem) => Some(problem.message.clone()),
        };
        self.alarm(what).await;
    }

    /// A message that could not be looked at may have been the answer: a person is told, while it is waited on.
    async fn show_trouble(&self, round: Round) {
        if let Err(problem) = round.ended() {
            self.alarm(Some(problem.message)).await;
        }
    }

    async fn alarm(&self, what: Option<String>) {
        if let Err(problem) = self.store.set_alarm(ALARM, what).await {
            tracing::error!(%problem, "what came of a check for opt-outs could not be put on the work list");
        }
    }
}

fn scope() -> Scope {
    Scope::system(SystemPurpose::CheckOptOuts)
}

/// A line of the audit log: counts, and nobody's number.
fn line(told: String) -> AuditEntry {
    let scope = scope();
    let target = Target {
        query: Some(told.into()),
        ..Target::default()
    };
    scope.trace(scope.interaction(), Outcome::Success, target)
}

fn told(looked: Result<Looked, Problem>) {
    match looked {
        Ok(Looked::Idle | Looked::Waiting(_) | Looked::Failed(_)) => {}
        Ok(Looked::Sent(it)) => {
            tracing::info!(
                check = it.number,
                asked = it.asked,
                "opt-outs are asked after"
            );
        }
        Ok(Looked::Answered(it)) => {
            let (check, asked, usable) = (it.number, it.asked, it.usable);
            tracing::info!(check, asked, usable, "opt-outs were answered");
        }
        Err(problem) => tracing::warn!(?problem, "opt-outs could not be asked after"),
    }
}

/// What a check is sent under: letters, digits and hyphens, since others were seen to get no answer.
fn reference(mailbox: &str, number: i64, now: Millis) -> String {
    let instant = date::instant(now);
    let digits = instant.chars().filter(char::is_ascii_digit);
    let time: String = digits.take(14).collect();
    format!("{mailbox}-{time}-{number:06}")
}

/// Whether a text holds a reference of that mailbox's node. Other systems may use the mailbox too, and
/// are advised to use names that begin as ours do.
fn is_reference(mailbox: &str, text: &str) -> bool {
    let begin = format!("{mailbox}-");
    let mut found = text.match_indices(&begin);
    found.any(|(at, begin)| {
        let rest = text.get(at + begin.len()..).unwrap_or_default().as_bytes();
        let is_digits =
            |part: Option<&[u8]>| part.is_some_and(|it| it.iter().all(u8::is_ascii_digit));
        is_digits(rest.get(..14)) && rest.get(14) == Some(&b'-') && is_digits(rest.get(15..21))
    })
}

#[cfg(test)]
mod tests;
