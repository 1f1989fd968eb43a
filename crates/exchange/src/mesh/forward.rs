//! Sending what a system here wrote, as it wrote it, and asking what became of it.

use bytes::Bytes;
use fhir::problem::{Kind, Problem};
use http::Method;
use serde::Deserialize;

use super::answer::{self, is_id};
use super::{Mesh, PIECES_MAX};

/// What MESH says of a message that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Tracked {
    #[serde(alias = "messageId")]
    pub message_id: String,
    /// `accepted`, `acknowledged`, `undeliverable` or another word.
    pub status: String,
}

impl Mesh {
    /// Sends a message, or the first of its `pieces`, with these headers, packed as they say; the id
    /// that MESH gave it. This is never tried again by itself: it would be sent twice.
    ///
    /// # Errors
    /// A sentence for the operator; `Value` if the mailbox is not registered.
    pub async fn forward(
        &self,
        mut headers: Vec<(String, String)>,
        pieces: u32,
        body: Bytes,
    ) -> Result<String, Problem> {
        if !(1..=PIECES_MAX).contains(&pieces) {
            let message = format!("A message to MESH has at most {PIECES_MAX} chunks.");
            return Err(Problem::new(Kind::TooLong, message));
        }
        headers.push(("mex-chunk-range".into(), format!("1:{pieces}")));
        let asked = self.ask(Method::POST, "/outbox", headers, body).await?;
        let (_, answer) = self.done(asked, "send a message", &[202])?;
        answer::message_id(&answer)
    }

    /// Sends a further piece of such a message. One that MESH has already, with all others, is as good
    /// as sent.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub async fn forward_piece(
        &self,
        id: &str,
        (piece, pieces): (u32, u32),
        encoding: &str,
        body: Bytes,
    ) -> Result<(), Problem> {
        let path = format!("/outbox/{}/{piece}", is_id(id)?);
        let mut headers = vec![("mex-chunk-range".into(), format!("{piece}:{pieces}"))];
        if !encoding.is_empty() {
            headers.push(("content-encoding".into(), encoding.into()));
        }
        let asked = self.ask(Method::POST, &path, headers, body).await?;
        let expected = [202, 423];
        self.done(asked, "send a piece of a message", &expected)
            .map(|_| ())
    }

    /// What became of the message that we sent under that name of ours; `None` if MESH knows none.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub async fn tracked_as(&self, local_id: &str) -> Result<Option<Tracked>, Problem> {
        let path = format!("/outbox/tracking/{}", is_id(local_id)?);
        self.tracked(&path).await
    }

    /// What became of the message of that id.
    ///
    /// # Errors
    /// As `tracked_as`.
    pub async fn tracked_by(&self, id: &str) -> Result<Option<Tracked>, Problem> {
        let path = format!("/outbox/tracking?messageID={}", is_id(id)?);
        self.tracked(&path).await
    }

    async fn tracked(&self, path: &str) -> Result<Option<Tracked>, Problem> {
        let asked = self.ask(Method::GET, path, Vec::new(), Bytes::new());
        match self.done(asked.await?, "track a message", &[200]) {
            Ok((_, body)) => serde_json::from_slice(&body).map(Some).map_err(|cause| {
                Problem::new(Kind::Processing, "MESH's answer does not read.").because(cause)
            }),
            Err(problem) if problem.kind == Kind::NotFound => Ok(None),
            Err(problem) => Err(problem),
        }
    }
}
