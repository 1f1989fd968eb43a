//! Looking into our mailbox: documents, responses, and MESH's own reports.

use fhir::itk3::{Body, Header, Response, codes};
use fhir::problem::{Kind, Problem};
use store::itk3::{Answer, Itk3Done, Itk3Write, NewIn, Read};
use store::{Done, Effect, Job};
use tokio::sync::watch;

use super::{ANSWERS, Arrived, Itk3, TAKEN, take};
use crate::mesh::{Head, MessageType, Piece, Round};

impl Itk3 {
    /// Takes what waits.
    ///
    /// # Errors
    /// What keeps the mailbox, or one message in it, from being taken; what could be taken is.
    pub(super) async fn collect(&self, stop: &watch::Receiver<bool>) -> Result<(), Problem> {
        self.mesh.handshake().await?;
        let mut round = Round::default();
        let answers = TAKEN.iter().map(|it| format!("{it}{ANSWERS}"));
        let documents = TAKEN.iter().map(|it| (*it).to_owned());
        for workflow in answers.chain(documents) {
            let listed = self.mesh.inbox(&workflow).await;
            for id in round.noted(listed)?.unwrap_or_default() {
                if *stop.borrow() {
                    return Ok(());
                }
                // One that cannot be taken stays at MESH, and does not hold up the others.
                let taken = self.one(&id).await;
                round.of_message(&id, taken)?;
            }
        }
        round.ended()
    }

    async fn one(&self, id: &str) -> Result<(), Problem> {
        if self.store.itk3_is_here(&self.scope, id).await? {
            // It was taken, and then the node ended.
            return self.mesh.acknowledge(id).await;
        }
        let head = match self.mesh.head(id).await {
            Ok(head) => head,
            Err(problem) if problem.kind == Kind::NotFound => return Ok(()),
            Err(problem) => return Err(problem),
        };
        if head.ty == MessageType::Report {
            return self.report(id, &head).await;
        }
        let bytes = self.bytes(id, &head).await?;
        let arrived = Arrived {
            outside: id.to_owned(),
            mailbox: head.from.clone(),
            to: head.to.clone(),
            workflow: head.workflow.clone(),
            subject: head.subject.clone(),
            received_at: self.store.now(),
        };
        self.taken(&arrived, bytes).await?;
        self.mesh.acknowledge(id).await
    }

    /// The content. A piece that is not packed as it says is read as it came: what reads all the same was only marked
    /// wrongly, and what does not is kept, refused and shown like any other that does not read.
    async fn bytes(&self, id: &str, head: &Head) -> Result<Vec<u8>, Problem> {
        let mut bytes = Vec::new();
        for piece in 1..=head.pieces {
            match self.mesh.piece(id, piece).await? {
                Piece::Sound(content) => bytes.extend_from_slice(&content),
                Piece::Spoilt { bytes: came, why } => {
                    tracing::warn!(%why, id, "an ITK3 message is read as it came");
                    bytes.extend_from_slice(&came);
                }
            }
            if bytes.len() > self.settings.message_bytes_max {
                let message = format!(
                    "A message from the mailbox {} is longer than itk3.message_bytes_max and stays at MESH. Raise it, or ask \
                     its sender for smaller documents.",
                    head.from
                );
                return Err(Problem::new(Kind::TooLong, message));
            }
        }
        Ok(bytes)
    }

    /// Keeps a message and what follows from it; durable when this returns.
    pub(super) async fn taken(&self, arrived: &Arrived, bytes: Vec<u8>) -> Result<(), Problem> {
        let read = fhir::itk3::read(&bytes, &self.limits());
        if let Ok(message) = &read
            && let Body::Response(response) = &message.body
        {
            return self
                .response(arrived, &message.header, response, bytes)
                .await;
        }
        let me = self.store.organisation();
        let new = super::read(arrived, bytes, read, me);
        let line = self.line(
            format!("itk3-message={} from={}", arrived.outside, arrived.mailbox),
            None,
            None,
        );
        self.traced(take(new), Some(line)).await
    }

    async fn response(
        &self,
        arrived: &Arrived,
        header: &Header,
        response: &Response,
        bytes: Vec<u8>,
    ) -> Result<(), Problem> {
        let meaning = codes::meaning(&response.code).unwrap_or("a code that is not known here");
        let answer = Answer {
            header: response.to.clone(),
            code: response.code.clone(),
            meaning: meaning.to_owned(),
            diagnostics: response.diagnostics.clone(),
            mailbox: arrived.mailbox.clone(),
            ods: header.sender.ods.clone(),
        };
        let told = format!("itk3-response={} from={}", response.code, arrived.mailbox);
        let line = self.line(told, None, None);
        match self
            .traced(Itk3Write::Answered(Box::new(answer)), Some(line))
            .await
        {
            Err(problem) if matches!(problem.kind, Kind::NotFound | Kind::Security) => {
                let trouble = match problem.kind {
                    Kind::NotFound => {
                        "A response came to a letter that did not leave from here.".to_owned()
                    }
                    _ => problem.message,
                };
                let new = NewIn {
                    read: Read::Stray { trouble },
                    reference: header.reference.clone(),
                    ..super::take::bare(arrived, bytes)
                };
                let told = format!("itk3-stray from={}", arrived.mailbox);
                let line = self.line(told, None, None);
                self.traced(take(new), Some(line)).await
            }
            other => other,
        }
    }

    /// MESH's report that something was not delivered. One about what others sent from this mailbox is left to them.
    async fn report(&self, id: &str, head: &Head) -> Result<(), Problem> {
        let write = Itk3Write::Reported {
            outside: head.linked.clone(),
            local_id: head.local_id.clone(),
            code: head.status_code.clone(),
        };
        let job = Job::effect(Effect::Itk3(write));
        let committed = Box::pin(self.store.commit(&self.scope, job)).await?;
        match committed.done.first() {
            Some(Done::Itk3(Itk3Done::Reported(true))) => self.mesh.acknowledge(id).await,
            _ => Ok(()),
        }
    }
}
