//! Sending the responses that go back.

use fhir::date;
use fhir::itk3::{Body, Header, Message, Organisation, RESPONSE, RESPONSE_EVENT, Response, write};
use fhir::problem::Problem;
use store::itk3::{Itk3Write, ToAnswer};
use tokio::sync::watch;

use super::make::derived;
use super::{ANSWERS, Itk3};
use crate::mesh::Envelope;

const READ_MAX: u32 = 50;

impl Itk3 {
    pub(super) async fn answer_all(&self, stop: &watch::Receiver<bool>) -> Result<(), Problem> {
        let answers = self.store.itk3_to_answer(&self.scope, READ_MAX).await?;
        if answers.is_empty() {
            return Ok(());
        }
        self.mesh.handshake().await?;
        for answer in &answers {
            if *stop.borrow() {
                break;
            }
            self.answer(answer).await?;
        }
        Ok(())
    }

    /// Sends one. Whether a try before this one got there is asked; after a crash one may leave twice, which its
    /// receiver can tell by its name.
    async fn answer(&self, answer: &ToAnswer) -> Result<(), Problem> {
        let number = answer.number;
        let known = match answer.tries {
            0 => Ok(None),
            _ => self.mesh.tracked_as(&answer.name).await,
        };
        let sent = match known {
            Err(problem) => Err(problem),
            Ok(Some(known)) => Ok(known.message_id),
            Ok(None) => {
                let envelope = Envelope {
                    to: &answer.mailbox,
                    workflow: &format!("{}{ANSWERS}", answer.workflow),
                    local_id: &answer.name,
                    subject: "ITK3 response",
                    file_name: &format!("{}.xml", answer.name),
                };
                self.mesh
                    .send(&envelope, 1, self.reply(answer).into())
                    .await
            }
        };
        match sent {
            Ok(outside) => self.passed(Itk3Write::AnswerSent { number, outside }).await,
            Err(problem) => {
                let tries = answer.tries.saturating_add(1);
                tracing::warn!(%problem, answer = number, tries, "MESH did not take an ITK3 response");
                self.passed(Itk3Write::AnswerNotTaken {
                    number,
                    next_try: self.backoff.next_try(self.store.now(), tries),
                    error: format!("MESH did not take the response: {}", problem.message),
                    give_up: tries >= self.settings.tries_max,
                })
                .await
            }
        }
    }

    fn reply(&self, answer: &ToAnswer) -> Vec<u8> {
        // What had no name that reads is named by MESH's.
        let named = [&answer.header, &answer.bundle, &answer.outside];
        let to = named.into_iter().find(|it| !it.is_empty());
        let message = Message {
            bundle: answer.name.clone(),
            header: Header {
                id: derived(&answer.name, "header"),
                event: RESPONSE_EVENT.to_owned(),
                endpoint: self.mesh.mailbox().to_owned(),
                sender: Organisation {
                    ods: self.store.organisation().to_string(),
                    name: self.settings.name.clone(),
                    telephone: String::new(),
                },
                timestamp: date::instant(answer.made_at),
                wants_business: false,
                wants_infrastructure: false,
                definition: RESPONSE.to_owned(),
                reference: answer.reference.clone(),
                local: None,
            },
            body: Body::Response(Response {
                to: to.cloned().unwrap_or_default(),
                code: answer.code.clone(),
                diagnostics: answer.diagnostics.clone(),
            }),
        };
        write(&message, &|word| derived(&answer.name, word))
    }
}
