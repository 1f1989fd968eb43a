//! How requests reach a neighbour. The one for nodes is `HttpTransport`; tests put others in its
//! place, which drop, double, delay and reorder.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use access::Ods;
use bytes::Bytes;
use fhir::date::Millis;

use crate::witness::Witnessing;

/// The requests of the protocol. Each may be sent again with the same effect.
pub trait Transport: Send + Sync {
    /// `POST /exchange/v1/parcels`; the body of the answer.
    fn parcels<'a>(&'a self, to: &'a Ods, body: Bytes) -> Answering<'a, Bytes>;
    /// `GET /exchange/v1/takes`; the body of the answer.
    fn takes<'a>(&'a self, to: &'a Ods) -> Answering<'a, Bytes>;
    /// `HEAD /exchange/v1/content/{sha256}`; how many bytes are held.
    fn held<'a>(&'a self, to: &'a Ods, sha256: &'a str) -> Answering<'a, u64>;
    /// `PUT /exchange/v1/content/{sha256}` from `start` on; how many bytes are then held.
    fn append<'a>(
        &'a self,
        to: &'a Ods,
        sha256: &'a str,
        start: u64,
        bytes: Bytes,
    ) -> Answering<'a, u64>;
    /// `POST /exchange/v1/receipts`; the body of the answer.
    fn receipts<'a>(&'a self, to: &'a Ods, body: Bytes) -> Answering<'a, Bytes>;
    /// `POST /exchange/v1/preferences`: asks whether preferences are outstanding.
    fn preferences<'a>(&'a self, to: &'a Ods, body: Bytes) -> Answering<'a, Bytes>;
    /// `POST /exchange/v1/ask`: asks for what is held of a patient. A question serves once, so it is
    /// not sent again.
    fn record<'a>(&'a self, to: &'a Ods, body: Bytes) -> Answering<'a, Bytes>;
    /// `POST /exchange/v1/slots`: asks for free appointments.
    fn slots<'a>(&'a self, to: &'a Ods, body: Bytes) -> Answering<'a, Bytes>;
    /// `POST /exchange/v1/checkpoints`: shows a checkpoint to a witness.
    fn witness<'a>(&'a self, to: &'a Ods, body: Bytes) -> Answering<'a, Witnessing>;
    /// `GET /exchange/v1/checkpoints`: what a witness has signed last; empty if nothing.
    fn witnessed<'a>(&'a self, to: &'a Ods) -> Answering<'a, String>;
    /// `GET /exchange/v1/directory`: the directory that the other goes by, if it is newer than that version.
    fn directory<'a>(&'a self, to: &'a Ods, above: u64) -> Answering<'a, Option<String>>;
    /// By how many milliseconds the clocks of those who answered were ahead of this node's.
    fn clocks(&self) -> Vec<(Ods, Millis)> {
        Vec::new()
    }
}

/// What a request comes to.
pub type Answering<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'a>>;

/// Why a try failed, in one plain sentence for the pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub sentence: String,
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
}

impl Failure {
    pub fn new(sentence: impl Into<String>) -> Failure {
        Failure {
            sentence: sentence.into(),
            status: None,
        }
    }

    /// There was an answer of the right form, but not one that helps.
    pub fn answered(sentence: impl Into<String>) -> Failure {
        Failure {
            sentence: sentence.into(),
            status: Some(200),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}
