//! A client of MESH, the NHS's message exchange
//! (<https://digital.nhs.uk/developer/api-catalogue/message-exchange-for-social-care-and-health-api>):
//! one mailbox, its outbox and its inbox.
//!
//! Invariant: every body, list and wait has a bound. Invariant: what is in a message, and the
//! mailbox's password and key, stand in no error and no log.

mod answer;
mod forward;
mod round;
pub mod tls;
mod token;

use bytes::Bytes;
use fhir::problem::{Kind, Problem};
use http::{HeaderMap, Method};
use store::Clock;

pub use answer::{Head, MessageType};
use answer::{is_id, refused};
pub use forward::{Failed, Tracked};
pub(crate) use round::Round;
pub use token::{Credentials, Shown};

use crate::outgoing::{Call, Outgoing};

/// A request may take so long: up to 100 MB over a slow line.
const SECONDS_MAX: u64 = 300;
/// The longest piece of a message, in bytes: MESH's own bound is 100 MB.
const PIECE_BYTES_MAX: usize = 110 << 20;
/// Pieces of one message, at most.
pub const PIECES_MAX: u32 = 100;
/// Messages of one list, and lists that are read in a row.
const LISTED: usize = 500;
const PAGES_MAX: usize = 10;
/// Of one workflow more are read: a page may hold none of its messages, and others behind it some.
const FILTERED_PAGES_MAX: usize = 100;
/// Version 2 of the interface.
const ACCEPT: &str = "application/vnd.mesh.v2+json";
const CLIENT: &str = concat!("handover==", env!("CARGO_PKG_VERSION"));

/// A mailbox, opened.
#[derive(Clone)]
pub struct Mesh {
    outgoing: Outgoing,
    /// `https://host[:port]/messageexchange`
    base: String,
    credentials: Credentials,
    clock: Clock,
}

/// What is written on a message.
#[derive(Clone, Debug)]
pub struct Envelope<'e> {
    /// The mailbox that it is for.
    pub to: &'e str,
    pub workflow: &'e str,
    /// Our own name for it, which reports and answers may bear.
    pub local_id: &'e str,
    pub subject: &'e str,
    pub file_name: &'e str,
}

/// A piece of a message.
#[derive(Clone, Debug)]
pub enum Piece {
    /// Its content, unpacked.
    Sound(Bytes),
    /// It is not packed as it says: the bytes as they came, and why they cannot be unpacked.
    Spoilt { bytes: Bytes, why: Problem },
}

impl Mesh {
    /// A mailbox at `base_url`, which is `https://` and a host; on this machine, for a stand-in, it
    /// may be without TLS.
    ///
    /// # Errors
    /// `Value` if the address does not read.
    pub fn new(
        base_url: &str,
        tls: std::sync::Arc<rustls::ClientConfig>,
        credentials: Credentials,
        clock: Clock,
    ) -> Result<Mesh, Problem> {
        let wrong = |message: &str| Problem::new(Kind::Value, message);
        let base_url = base_url.trim_end_matches('/');
        let uri: http::Uri = base_url
            .parse()
            .map_err(|_| wrong("The address of MESH does not read."))?;
        let host = uri.host().unwrap_or_default().to_owned();
        let is_here = matches!(host.as_str(), "127.0.0.1" | "localhost" | "[::1]");
        let is_safe = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => is_here,
            _ => false,
        };
        if host.is_empty() || !is_safe || uri.path() != "/" || uri.query().is_some() {
            return Err(wrong(
                "The address of MESH is https:// and a host, without a path.",
            ));
        }
        // The operator chose it; it may stand on the health network, whose addresses are private.
        let bare = host.trim_matches(['[', ']']).to_owned();
        let outgoing = Outgoing::over(tls, &[bare]);
        Ok(Mesh {
            outgoing: outgoing.bounded(SECONDS_MAX, PIECE_BYTES_MAX),
            base: format!("{base_url}/messageexchange"),
            credentials,
            clock,
        })
    }

    /// Our mailbox.
    pub fn mailbox(&self) -> &str {
        self.credentials.mailbox()
    }

    /// Says who we are: the first call of each visit.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub async fn handshake(&self) -> Result<(), Problem> {
        let headers = vec![
            ("mex-clientversion".into(), CLIENT.into()),
            ("mex-osname".into(), std::env::consts::OS.into()),
            ("mex-osversion".into(), "unknown".into()),
            ("mex-osarchitecture".into(), std::env::consts::ARCH.into()),
        ];
        let asked = self.ask(Method::POST, "", headers, Bytes::new()).await?;
        self.done(asked, "say who we are", &[200]).map(|_| ())
    }

    /// Sends a message, or the first of its `pieces`; the id that MESH gave it. This is never tried
    /// again by itself: it would be sent twice.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub async fn send(
        &self,
        envelope: &Envelope<'_>,
        pieces: u32,
        body: Bytes,
    ) -> Result<String, Problem> {
        if body.is_empty() {
            let message = "MESH takes no message without content.";
            return Err(Problem::new(Kind::Value, message));
        }
        if !(1..=PIECES_MAX).contains(&pieces) {
            let message = format!("A message has at most {PIECES_MAX} pieces.");
            return Err(Problem::new(Kind::TooCostly, message));
        }
        let mut headers = vec![
            ("mex-to".into(), envelope.to.into()),
            ("mex-workflowid".into(), envelope.workflow.into()),
            ("mex-localid".into(), envelope.local_id.into()),
            ("mex-subject".into(), envelope.subject.into()),
            ("mex-filename".into(), envelope.file_name.into()),
            ("content-type".into(), "application/octet-stream".into()),
        ];
        if pieces > 1 {
            headers.push(("mex-chunk-range".into(), format!("1:{pieces}")));
        }
        let asked = self.ask(Method::POST, "/outbox", headers, body).await?;
        let (_, answer) = self.done(asked, "send a message", &[202])?;
        answer::message_id(&answer)
    }

    /// Sends a further piece of a message, from the second.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub async fn send_piece(
        &self,
        id: &str,
        (piece, pieces): (u32, u32),
        body: Bytes,
    ) -> Result<(), Problem> {
        let path = format!("/outbox/{}/{piece}", is_id(id)?);
        let headers = vec![
            ("mex-chunk-range".into(), format!("{piece}:{pieces}")),
            ("content-type".into(), "application/octet-stream".into()),
        ];
        let asked = self.ask(Method::POST, &path, headers, body).await?;
        self.done(asked, "send a piece of a message", &[202])
            .map(|_| ())
    }

    /// The ids of messages of a workflow that wait in the inbox, the oldest first, as far as they can be listed.
    ///
    /// # Errors
    /// `TooCostly` if none is among those that can be listed, and there are more; otherwise a sentence for the operator.
    pub async fn inbox(&self, workflow: &str) -> Result<Vec<String>, Problem> {
        // Letters, digits, _ and -, which the settings hold it to, need no escape.
        let filter = format!("&workflow_filter={workflow}");
        let (found, more) = self.list(&filter, FILTERED_PAGES_MAX).await?;
        if more && found.is_empty() {
            let message = format!(
                "More messages wait in the mailbox at MESH than can be listed, and none of those that can is of the workflow \
                 {workflow}."
            );
            return Err(Problem::new(Kind::TooCostly, message));
        }
        Ok(found)
    }

    /// The ids of messages of any workflow that wait in the inbox, the oldest first, and whether there are more than could be
    /// listed.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub async fn whole_inbox(&self) -> Result<(Vec<String>, bool), Problem> {
        self.list("", PAGES_MAX).await
    }

    /// Follows a list from page to page, up to so many, and whether there are more.
    async fn list(&self, filter: &str, pages_max: usize) -> Result<(Vec<String>, bool), Problem> {
        let mut found: Vec<String> = Vec::new();
        let first = format!("/inbox?max_results={LISTED}{filter}");
        let mut path = first.clone();
        for _ in 0..pages_max {
            let asked = self.ask(Method::GET, &path, Vec::new(), Bytes::new());
            let (_, answer) = self.done(asked.await?, "list the inbox", &[200])?;
            found.extend(answer::messages(&answer, LISTED)?);
            match answer::goes_on(&answer) {
                Some(from) => path = format!("{first}&continue_from={from}"),
                None => return Ok((found, false)),
            }
        }
        Ok((found, true))
    }

    /// What is written on a message, without its content.
    ///
    /// # Errors
    /// `NotFound` if it is not there any more; otherwise a sentence for the operator.
    pub async fn head(&self, id: &str) -> Result<Head, Problem> {
        let path = format!("/inbox/{}", is_id(id)?);
        let asked = self.ask(Method::HEAD, &path, Vec::new(), Bytes::new());
        let (headers, _) = self.done(asked.await?, "look at a message", &[200, 206])?;
        Head::of(&headers)
    }

    /// A piece of a message, from the first, unpacked if it can be.
    ///
    /// # Errors
    /// As `head`; `TooLong` for a piece beyond all bounds.
    pub async fn piece(&self, id: &str, piece: u32) -> Result<Piece, Problem> {
        let id = is_id(id)?;
        let path = match piece {
            0 | 1 => format!("/inbox/{id}"),
            piece => format!("/inbox/{id}/{piece}"),
        };
        let headers = vec![("accept-encoding".into(), "gzip".into())];
        let asked = self.ask(Method::GET, &path, headers, Bytes::new()).await?;
        let (headers, body) = self.done(asked, "fetch a message", &[200, 206])?;
        match answer::unpacked(&headers, body.clone(), PIECE_BYTES_MAX) {
            Ok(content) => Ok(Piece::Sound(content)),
            Err(why) if why.kind == Kind::TooLong => Err(why),
            // Its sender's fault, which asking again does not mend.
            Err(why) => Ok(Piece::Spoilt { bytes: body, why }),
        }
    }

    /// Says that a message was taken in: it leaves the inbox. Doing so again changes nothing.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub async fn acknowledge(&self, id: &str) -> Result<(), Problem> {
        let path = format!("/inbox/{}/status/acknowledged", is_id(id)?);
        let asked = self.ask(Method::PUT, &path, Vec::new(), Bytes::new());
        self.done(asked.await?, "acknowledge a message", &[200])
            .map(|_| ())
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        mut headers: Vec<(String, String)>,
        body: Bytes,
    ) -> Result<(u16, HeaderMap, Bytes), Problem> {
        let token = self.credentials.token(self.clock.now());
        headers.push(("authorization".into(), token));
        headers.push(("accept".into(), ACCEPT.into()));
        let call = Call {
            method,
            url: format!("{}/{}{path}", self.base, self.mailbox()),
            headers,
            body,
        };
        let answered = self.outgoing.whole_answer(call).await;
        answered.map_err(|sentence| {
            Problem::new(Kind::Transient, format!("MESH was asked. {sentence}"))
        })
    }

    /// What was answered, if its status is one of these.
    fn done(
        &self,
        (status, headers, body): (u16, HeaderMap, Bytes),
        what: &str,
        expected: &[u16],
    ) -> Result<(HeaderMap, Bytes), Problem> {
        match expected.contains(&status) {
            true => Ok((headers, body)),
            false => Err(refused(what, status, &body)),
        }
    }
}
