//! The question: everybody here who has an NHS number.

use access::NhsNumber;
use bytes::Bytes;
use fhir::problem::{Kind, Problem};
use store::opt_out::{Check, CheckState, NUMBERS_A_WRITE_MAX, OptOutWrite};

use super::lines::{self, LINE_BYTES};
use super::{OptOuts, line, reference, scope};
use crate::mesh::{Envelope, PIECES_MAX};

/// Numbers that are read at once.
const READ_AT_ONCE: u32 = 5000;

impl OptOuts {
    /// Lists whom it is about, and sends it. What fails is noted with its reason.
    pub(super) async fn begin(&self, number: i64) -> Result<(), Problem> {
        let reference = reference(self.mesh.mailbox(), number, self.store.now());
        let begin = OptOutWrite::Begin {
            number,
            reference: reference.clone(),
        };
        self.write(begin, Vec::new()).await?;
        let sent = match self.list(number).await {
            Ok(()) => self.send(number, &reference).await,
            Err(problem) => Err(problem),
        };
        if let Err(problem) = sent {
            let check = Check {
                number,
                reference,
                state: CheckState::Asking,
                message: String::new(),
                asked: 0,
                usable: 0,
                begun_at: 0,
                sent_at: 0,
                answered_at: 0,
                reason: String::new(),
            };
            tracing::warn!(?problem, "a check for opt-outs could not be sent");
            self.fail(&check, &problem.message).await?;
        }
        Ok(())
    }

    async fn list(&self, number: i64) -> Result<(), Problem> {
        let mut after = (String::new(), 0);
        while let Some((numbers, next)) = self.store.opt_out_people(&scope(), &after).await? {
            for some in numbers.chunks(NUMBERS_A_WRITE_MAX) {
                let numbers = some.to_vec();
                let ask = OptOutWrite::Ask { number, numbers };
                self.write(ask, Vec::new()).await?;
            }
            after = next;
        }
        Ok(())
    }

    async fn send(&self, number: i64, reference: &str) -> Result<(), Problem> {
        let count = self.store.opt_out_count(number).await?;
        let told = format!("opt-out check {number} sent: {count} people asked about");
        if count == 0 {
            // Nobody to be asked about: the answer is known, and MESH takes no empty message.
            let message = String::new();
            let sent = OptOutWrite::Sent { number, message };
            self.write(sent, vec![line(told)]).await?;
            return self
                .write(OptOutWrite::InForce { number, usable: 0 }, Vec::new())
                .await;
        }
        let lines = (self.settings.piece_bytes / LINE_BYTES).max(1);
        let pieces = count.div_ceil(lines as u64);
        let pieces = u32::try_from(pieces).unwrap_or(u32::MAX);
        if pieces > PIECES_MAX {
            let message = format!("{count} people are more than one check can be about.");
            return Err(Problem::new(Kind::TooCostly, message));
        }
        let mut message = String::new();
        let mut after = String::new();
        for piece in 1..=pieces {
            let body = self.piece(number, &mut after, lines).await?;
            match piece {
                1 => message = self.post(reference, pieces, body).await?,
                piece => {
                    self.mesh
                        .send_piece(&message, (piece, pieces), body)
                        .await?
                }
            }
        }
        let sent = OptOutWrite::Sent { number, message };
        self.write(sent, vec![line(told)]).await
    }

    async fn post(&self, reference: &str, pieces: u32, body: Bytes) -> Result<String, Problem> {
        let envelope = Envelope {
            to: &self.settings.mailbox,
            workflow: &self.settings.request_workflow,
            local_id: reference,
            subject: reference,
            file_name: &format!("{reference}.dat"),
        };
        self.mesh.send(&envelope, pieces, body).await
    }

    /// So many lines, after that number, which moves on.
    async fn piece(&self, number: i64, after: &mut String, lines: usize) -> Result<Bytes, Problem> {
        let mut body = Vec::with_capacity(lines.min(1 << 20) * LINE_BYTES);
        let mut left = lines;
        while left > 0 {
            let count = READ_AT_ONCE.min(u32::try_from(left).unwrap_or(u32::MAX));
            let some = self.store.opt_out_asked(number, after, count).await?;
            let Some(last) = some.last().map(NhsNumber::digits) else {
                break;
            };
            last.clone_into(after);
            left = left.saturating_sub(some.len());
            some.iter()
                .for_each(|number| lines::push(&mut body, number));
        }
        Ok(body.into())
    }
}
