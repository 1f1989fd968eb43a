//! From messages to a system: one connection, one message at a time, each answered before the next.

use fhir::problem::{Kind as Fault, Problem};
use store::hl7_inbox::WorkNote;
use store::hl7_out::{Hl7OutWrite, Outgoing};
use tokio::sync::watch;

use super::{About, Destination, Outwards, SLEEP};
use crate::mllp::{Sender, stopped};

/// Messages (about different patients) that are read at once.
const READ_MAX: u32 = 32;
/// After so many failures the message stands on the work list too, while it is tried on.
const TRIES_BEFORE_WORK: u32 = 10;
/// After so many where it takes messages and does not answer: they may or may not have been acted on.
const SILENT_TRIES_BEFORE_WORK: u32 = 3;

/// What a system answered.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Taken,
    /// Its code, and the code of the error if it names one.
    Refused(String),
    /// Nothing that can be understood as an answer to this message.
    Unclear,
}

impl Outwards {
    /// Sends to one system until `stop` says true.
    pub(super) async fn send_to(&self, number: usize, mut stop: watch::Receiver<bool>) {
        let Some(destination) = self.destinations.get(number) else {
            return;
        };
        let mut connection = None;
        while !*stop.borrow() {
            let sent = match self.send_due(destination, &mut connection, &stop).await {
                Ok(sent) => sent,
                Err(problem) => {
                    let system = &destination.name;
                    tracing::error!(%problem, system, "what is to be told could not be read");
                    0
                }
            };
            if sent == 0 {
                tokio::select! {
                    () = stopped(&mut stop) => {}
                    () = tokio::time::sleep(SLEEP) => {}
                }
            }
        }
    }

    /// Sends what can be sent now; how many messages were answered.
    pub(super) async fn send_due(
        &self,
        destination: &Destination,
        connection: &mut Option<Sender>,
        stop: &watch::Receiver<bool>,
    ) -> Result<usize, Problem> {
        let waiting = self
            .store
            .hl7_outgoing(&self.scope, &destination.name, READ_MAX)
            .await?;
        let mut answered = 0;
        for message in &waiting {
            if *stop.borrow() {
                break;
            }
            // A longer wait than there is means that the clock was put back, and is not waited for.
            let wait = message.next_try.saturating_sub(self.now());
            if wait > 0 && u64::try_from(wait).is_ok_and(|it| it <= self.backoff.cap_millis) {
                continue;
            }
            match exchange(destination, connection, message).await {
                Ok(answer) => {
                    self.note(destination, message, answer).await?;
                    answered += 1;
                }
                Err(problem) => {
                    *connection = None;
                    self.later(destination, message, &problem).await?;
                    // The next one would fare no better now.
                    break;
                }
            }
        }
        Ok(answered)
    }

    /// Writes down what a system answered.
    async fn note(
        &self,
        destination: &Destination,
        message: &Outgoing,
        answer: Answer,
    ) -> Result<(), Problem> {
        let number = message.number;
        let system = &destination.name;
        let write = match answer {
            Answer::Taken => Hl7OutWrite::Sent { number },
            Answer::Refused(code) => {
                tracing::warn!(message = number, system, code, "a system refused a message");
                let reason = format!("{system} refused the message: it answered {code}.");
                Hl7OutWrite::Refused {
                    number,
                    note: refused(reason),
                }
            }
            Answer::Unclear => {
                tracing::warn!(
                    message = number,
                    system,
                    "a system's answer was not understood"
                );
                let reason = format!(
                    "What {system} answered is no acknowledgement of this message, so it may or \
                     may not have it."
                );
                Hl7OutWrite::Refused {
                    number,
                    note: refused(reason),
                }
            }
        };
        match self.write(write, vec![About::answered(message)]).await {
            // A person settled it meanwhile, or another process of this node sent it.
            Err(problem) if problem.kind == Fault::Conflict => Ok(()),
            other => other,
        }
    }

    /// Writes down that the system could not be reached.
    async fn later(
        &self,
        destination: &Destination,
        message: &Outgoing,
        problem: &Problem,
    ) -> Result<(), Problem> {
        let system = &destination.name;
        let tries = message.tries.saturating_add(1);
        tracing::warn!(%problem, system, tries, "a system could not be told");
        let before_work = match problem.kind {
            Fault::Timeout => SILENT_TRIES_BEFORE_WORK,
            _ => TRIES_BEFORE_WORK,
        };
        let note = (tries >= before_work).then(|| WorkNote {
            reason: format!("{system} has not answered {tries} times: {}", problem.message),
            next_step: format!(
                "See whether {system} runs and can be reached. It is tried again and again meanwhile."
            ),
        });
        let write = Hl7OutWrite::Later {
            number: message.number,
            next_try: self.backoff.next_try(self.now(), tries),
            note,
        };
        self.write(write, Vec::new()).await
    }
}

fn refused(reason: String) -> WorkNote {
    let next_step =
        "Ask those who run that system what is wrong. When it is mended, send it again; or \
                     settle it, and what follows about the same patient is sent."
            .to_owned();
    WorkNote { reason, next_step }
}

/// Sends a message over the connection, opened if it is not, and reads the answer.
async fn exchange(
    destination: &Destination,
    connection: &mut Option<Sender>,
    message: &Outgoing,
) -> Result<Answer, Problem> {
    let sender = match connection {
        Some(sender) => sender,
        None => {
            let opened = Sender::to(&destination.address, destination.tls.as_ref()).await?;
            connection.insert(opened.waiting(destination.answer_within))
        }
    };
    let answer = sender.send(&message.body).await?;
    Ok(understood(&answer, &message.control_id))
}

/// What the bytes of an answer say. Its words are not repeated: they may hold what the message held.
fn understood(answer: &[u8], control_id: &str) -> Answer {
    let Ok(answer) = hl7v2::parse(answer) else {
        return Answer::Unclear;
    };
    if answer.value("MSA", 2, 1).trim() != control_id {
        return Answer::Unclear;
    }
    let code = answer.value("MSA", 1, 1);
    match code.trim() {
        "AA" | "CA" => Answer::Taken,
        code @ ("AE" | "AR" | "CE" | "CR") => {
            let error = answer.value("ERR", 3, 1);
            let error = error.trim();
            let is_code = !error.is_empty()
                && error.len() <= 8
                && error.bytes().all(|b| b.is_ascii_alphanumeric());
            Answer::Refused(match is_code {
                true => format!("{code}, error {error}"),
                false => code.to_owned(),
            })
        }
        _ => Answer::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_only_for_its_own_message() {
        let answer = |msa: &str, more: &str| {
            let text = format!("MSH|^~\\&|L|L|H|H|2024||ACK|1|P|2.4\rMSA|{msa}\r{more}");
            understood(text.as_bytes(), "C1")
        };
        assert_eq!(answer("AA|C1", ""), Answer::Taken);
        assert_eq!(answer("CA|C1", ""), Answer::Taken);
        assert_eq!(answer("AA|C2", ""), Answer::Unclear);
        assert_eq!(
            answer("AE|C1|Mrs Tester is unknown", "ERR||PID|204^Unknown key\r"),
            Answer::Refused("AE, error 204".into())
        );
        assert_eq!(answer("AR|C1", ""), Answer::Refused("AR".into()));
        assert_eq!(understood(b"hello", "C1"), Answer::Unclear);
    }
}
