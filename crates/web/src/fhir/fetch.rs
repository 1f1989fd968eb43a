//! A look inside a Bundle (<https://hl7.org/fhir/R4/http.html#transaction>): whatever a GET or HEAD
//! of the door can be, and whatever operation or search can be POSTed, done by the same handlers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::{Body, Bytes};
use fhir::bundle::{Known, Outcome};
use fhir::date::{http_date, span};
use fhir::problem::{Kind, Problem};
use futures_util::StreamExt;
use http::header::{CONTENT_TYPE, IF_MODIFIED_SINCE, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tower::ServiceExt;

use super::answer::Stamp;
use super::ask::{Ask, Asked, failure_in};
use super::format::FHIR_JSON;
use super::operations::parameters::Parameters;
use super::{batch, edge};
use crate::failure::Failure;
use crate::node::Node;

/// The most that all looks of a Bundle bring back, in bytes.
const LOOKS_BYTES_MAX: usize = 128 << 20;

const FORM: &str = "application/x-www-form-urlencoded";

/// What a path of ours is written with.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'$')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'%');

/// What looks of one Bundle share.
pub struct Looks {
    node: Arc<Node>,
    doors: OnceLock<Router>,
    bytes_left: AtomicUsize,
}

/// What an entry asks to see.
pub struct Look {
    pub method: fhir::bundle::Method,
    /// Below the door's address.
    pub url: String,
    pub known: Known,
    /// What an operation or a search by POST is given.
    pub given: Option<Bytes>,
}

/// Operations that change something by themselves, or begin work that does.
const CHANGING: [&str; 6] = [
    "$meta-add",
    "$meta-delete",
    "$document",
    "$export",
    "$import",
    "$reindex",
];

impl Look {
    /// Whether it changes something that no transaction could take back.
    pub fn changes(&self) -> bool {
        let mut segments = self.path().split('/');
        let is_call = self.method == fhir::bundle::Method::Call;
        is_call && segments.any(|segment| CHANGING.contains(&segment))
    }

    fn path(&self) -> &str {
        self.url.split_once('?').map_or(&self.url, |(path, _)| path)
    }

    /// The body of a call, and what it is.
    fn body(&self) -> Result<(Body, Option<&'static str>), Problem> {
        if self.method != fhir::bundle::Method::Call {
            return Ok((Body::empty(), None));
        }
        let given = self.given.clone().unwrap_or_default();
        if self.path().rsplit('/').next() != Some("_search") {
            let kind = (!given.is_empty()).then_some(FHIR_JSON);
            return Ok((Body::from(given), kind));
        }
        // A form cannot stand in a Bundle: its pairs are in the url, or in a Parameters.
        let mut form = form_urlencoded::Serializer::new(String::new());
        if !given.is_empty() {
            form.extend_pairs(Parameters::read(&given)?.pairs()?);
        }
        Ok((Body::from(form.finish()), Some(FORM)))
    }
}

impl Looks {
    pub fn new(node: &Arc<Node>) -> Looks {
        Looks {
            node: node.clone(),
            doors: OnceLock::new(),
            bytes_left: AtomicUsize::new(LOOKS_BYTES_MAX),
        }
    }

    /// What is at the address. A problem is the entry's outcome.
    pub async fn outcome(&self, ask: &Ask, look: &Look) -> Outcome {
        let found = self.look(ask, look).await;
        found.unwrap_or_else(|failure| batch::refused(ask, failure))
    }

    async fn look(&self, ask: &Ask, look: &Look) -> Result<Outcome, Failure> {
        let (path, query) = look.url.split_once('?').unwrap_or((&look.url, ""));
        let (body, kind) = look.body()?;
        let mut headers = headers(&look.known);
        if let Some(kind) = kind {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        let asked: Asked = Arc::new(ask.look(query, headers)?);
        let method = match look.method {
            fhir::bundle::Method::Head => Method::HEAD,
            fhir::bundle::Method::Call => Method::POST,
            _ => Method::GET,
        };
        let path = format!("/{}", utf8_percent_encode(path, PATH));
        let request = Request::builder().method(method).uri(path);
        let mut request = request.body(body).map_err(|_| {
            let message = "The url is not one of the door's.";
            Problem::new(Kind::Value, message).at("request.url")
        })?;
        request.extensions_mut().insert(asked.clone());
        let doors = self
            .doors
            .get_or_init(|| crate::router::inside(self.node.clone()));
        let Ok(mut response) = doors.clone().oneshot(request).await;
        if let Some(failure) = failure_in(&mut response) {
            return Err(failure);
        }
        let stamp = response.extensions().get::<Stamp>().copied();
        if let Some(wanted) = &asked.wanted {
            response = edge::viewed(&self.node, response, wanted).await?;
        }
        let status = response.status();
        let bytes = self.body(response.into_body()).await?;
        Ok(Outcome {
            status: status.to_string(),
            version: stamp.map(|stamp| stamp.version),
            last_updated: stamp.map(|stamp| stamp.at),
            resource: (!bytes.is_empty()).then_some(bytes),
            ..Outcome::default()
        })
    }

    async fn body(&self, body: Body) -> Result<Vec<u8>, Problem> {
        let too_much = || {
            let message = "The Bundle asks for more than one answer holds; ask for this by itself.";
            Problem::new(Kind::TooCostly, message)
        };
        let (mut chunks, mut bytes) = (body.into_data_stream(), Vec::new());
        while let Some(chunk) = chunks.next().await {
            let took = match &chunk {
                Ok(chunk) => self.takes(chunk.len()),
                Err(_) => false,
            };
            let chunk = chunk.unwrap_or_default();
            if !took {
                // What this look held is the others' again.
                self.bytes_left.fetch_add(bytes.len(), Ordering::Relaxed);
                return Err(too_much());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// Takes so many of the bytes that all looks share, as they come: many are read at a time.
    fn takes(&self, count: usize) -> bool {
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        let left = |left: usize| left.checked_sub(count);
        self.bytes_left.fetch_update(set, fetch, left).is_ok()
    }
}

/// An entry's conditions as the headers that they stand for.
fn headers(known: &Known) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut insert = |name: HeaderName, value: Option<String>| {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            headers.insert(name, value);
        }
    };
    insert(IF_NONE_MATCH, known.none_match.clone());
    let since = known.modified_since.as_deref().and_then(span);
    insert(IF_MODIFIED_SINCE, since.map(|since| http_date(since.low)));
    headers
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, stream};
    use store::testing::on_each_database;

    use super::*;

    #[test]
    fn looks_share_their_bytes_as_these_come() {
        on_each_database(async |ground| {
            let node = crate::testing::node(ground).await;
            let looks = Looks::new(&node);
            looks.bytes_left.store(10, Ordering::Relaxed);
            let left = || looks.bytes_left.load(Ordering::Relaxed);
            // While one is still being read, another finds less.
            let first = stream::iter([Ok::<_, std::io::Error>("123456")]);
            let slow = Body::from_stream(first.chain(stream::pending()));
            let mut slow = Box::pin(looks.body(slow));
            assert!((&mut slow).now_or_never().is_none());
            assert_eq!(left(), 4);
            let refused = looks.body(Body::from("12345")).await.unwrap_err();
            assert_eq!(refused.kind, Kind::TooCostly);
            assert_eq!(left(), 4);
            assert_eq!(looks.body(Body::from("1234")).await.unwrap(), b"1234");
            drop(slow);
            node.store.clone().close().await;
        });
    }
}
