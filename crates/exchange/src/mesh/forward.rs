//! Sending what a system here wrote, as it wrote it, and asking what became of it.

use bytes::Bytes;
use fhir::problem::{Kind, Problem};
use http::Method;
use serde::Deserialize;

use super::answer::{self, is_id, refused};
use super::{Mesh, PIECES_MAX};

/// The code of a refusal that has none of its own: what is written on the message is not as it must be.
const MALFORMED: &str = "06";
/// The code of a message without content.
const NO_CONTENT: &str = "02";

/// Why a message was not sent.
#[derive(Debug)]
pub enum Failed {
    /// It is not taken, however often it is sent: the service's code for that, and why.
    Refused { code: String, why: String },
    /// It may be at another time.
    Later(Box<Problem>),
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Failed {
        Failed::Later(Box::new(problem))
    }
}

impl Failed {
    /// A message without content, which the service takes from nobody.
    pub(crate) fn no_content() -> Failed {
        Failed::Refused {
            code: NO_CONTENT.to_string(),
            why: "A message without content cannot be sent.".to_string(),
        }
    }

    fn answered(what: &str, status: u16, body: &[u8]) -> Failed {
        let problem = refused(what, status, body);
        match problem.kind {
            Kind::Value | Kind::Invalid => Failed::Refused {
                code: Some(answer::code(body))
                    .filter(|it| !it.is_empty())
                    .unwrap_or_else(|| MALFORMED.to_string()),
                why: problem.message,
            },
            _ => problem.into(),
        }
    }
}

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
    /// Whether it may be taken at another time, and why it was not.
    pub async fn forward(
        &self,
        mut headers: Vec<(String, String)>,
        pieces: u32,
        body: Bytes,
    ) -> Result<String, Failed> {
        if !(1..=PIECES_MAX).contains(&pieces) {
            return Err(Failed::Refused {
                code: MALFORMED.to_string(),
                why: format!("A message to MESH has at most {PIECES_MAX} chunks."),
            });
        }
        headers.push(("mex-chunk-range".into(), format!("1:{pieces}")));
        let asked = self.ask(Method::POST, "/outbox", headers, body);
        match asked.await? {
            (202, _, body) => Ok(answer::message_id(&body)?),
            (status, _, body) => Err(Failed::answered("send a message", status, &body)),
        }
    }

    /// Sends a further piece of such a message. One that MESH has already, with all others, is as good
    /// as sent.
    ///
    /// # Errors
    /// As `forward`.
    pub async fn forward_piece(
        &self,
        id: &str,
        (piece, pieces): (u32, u32),
        encoding: &str,
        body: Bytes,
    ) -> Result<(), Failed> {
        let path = format!("/outbox/{}/{piece}", is_id(id)?);
        let mut headers = vec![("mex-chunk-range".into(), format!("{piece}:{pieces}"))];
        if !encoding.is_empty() {
            headers.push(("content-encoding".into(), encoding.into()));
        }
        let asked = self.ask(Method::POST, &path, headers, body);
        match asked.await? {
            (202 | 423, ..) => Ok(()),
            (status, _, body) => {
                let what = "send a piece of a message";
                Err(Failed::answered(what, status, &body))
            }
        }
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
