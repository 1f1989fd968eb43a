//! One request at the door: who asks, and in what form the answer is wanted.

use std::convert::Infallible;
use std::sync::Arc;

use access::{Interaction, Scope};
use axum::body::Body;
use axum::extract::{FromRequestParts, Request};
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use tower::{Service, ServiceExt};

use super::edge;
use super::format::{self, FHIR_JSON, Format};
use super::prefer::Preference;
use super::pretty::laid_out;
use super::query;
use super::wanted::Wanted;
use crate::failure::{self, Failure};
use crate::node::Node;
use crate::oauth::cors;
use crate::page::headers::INERT;
use crate::visit::Visit;

/// When one who comes too often, or at a bad time, may try again.
const RETRY_AFTER_SECONDS: &str = "1";

/// One request.
pub struct Ask {
    pub visit: Visit,
    pub preference: Preference,
    /// The query's pairs, without those that only say how to answer.
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
    /// The part of each resource that is wanted, if not all.
    pub wanted: Option<Wanted>,
}

/// What handlers take.
pub type Asked = Arc<Ask>;

impl Ask {
    fn of(visit: Visit, parts: &mut Parts) -> Result<Ask, Failure> {
        let mut query = match parts.uri.query() {
            Some(text) => query::pairs(text)?,
            None => Vec::new(),
        };
        taken(&mut query, "_format");
        taken(&mut query, "_pretty");
        let wanted = Wanted::taken(&mut query)?;
        let preference = Preference::of(&parts.headers);
        let headers = std::mem::take(&mut parts.headers);
        Ok(Ask {
            visit,
            preference,
            query,
            headers,
            wanted,
        })
    }

    /// A look on behalf of the same request, for an entry of a Bundle.
    ///
    /// # Errors
    /// As the door's for such a query.
    pub fn look(&self, query: &str, headers: HeaderMap) -> Result<Ask, Failure> {
        let mut query = query::pairs(query)?;
        taken(&mut query, "_format");
        taken(&mut query, "_pretty");
        let wanted = Wanted::taken(&mut query)?;
        Ok(Ask {
            visit: self.visit.clone(),
            preference: self.preference,
            query,
            headers,
            wanted,
        })
    }

    /// The same request with more parameters than its address has.
    pub fn with(&self, more: Vec<(String, String)>) -> Ask {
        let mut query = self.query.clone();
        query.extend(more);
        Ask {
            visit: self.visit.clone(),
            preference: self.preference,
            query,
            headers: self.headers.clone(),
            wanted: self.wanted.clone(),
        }
    }

    /// The decision whether who asks may do this. A refusal is written to the audit log.
    ///
    /// # Errors
    /// `Login` if nobody is known, `Forbidden`, `NotFound` for a type that R4 does not have.
    pub async fn scope(
        &self,
        node: &Node,
        interaction: Interaction,
        ty: &str,
    ) -> Result<Scope, Problem> {
        super::check_type(ty)?;
        self.visit.scope(node, interaction, ty).await
    }

    /// Refuses a query where none has a meaning: nothing is ignored silently.
    ///
    /// # Errors
    /// `NotSupported`.
    pub fn no_query(&self) -> Result<(), Problem> {
        if self.query.is_empty() {
            return Ok(());
        }
        let message = "This interaction takes no parameters but _format and _pretty.";
        Err(Problem::new(Kind::NotSupported, message))
    }

    /// A request header as text.
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Takes a parameter out of the query.
fn taken(query: &mut Vec<(String, String)>, name: &str) -> Option<String> {
    let position = query.iter().position(|(known, _)| known == name)?;
    Some(query.remove(position).1)
}

/// Takes the request that `announce` has announced.
pub struct Announced(pub Asked);

impl<S: Sync> FromRequestParts<S> for Announced {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Announced, Failure> {
        let asked = parts.extensions.remove::<Asked>();
        asked
            .map(Announced)
            .ok_or_else(|| Problem::new(Kind::Exception, "The request was not announced.").into())
    }
}

/// What stands behind the door's edge.
pub trait Handlers:
    Service<Request, Response = Response, Error = Infallible, Future: Send>
{
}

impl<S> Handlers for S where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send>
{
}

/// Announces each request to the handlers, and renders what they refuse.
pub async fn announce<S: Handlers>(node: &Arc<Node>, request: Request, handlers: S) -> Response {
    let (parts, body) = request.into_parts();
    let visit = match Visit::of(node, &parts).await {
        Ok(visit) => Ok(visit),
        Err(problem) => Err((Visit::unproved(node, &parts), problem)),
    };
    let from_elsewhere = parts.headers.contains_key(ORIGIN);
    let manner = Manner::of(&parts);
    let mut form = manner.as_ref().copied().unwrap_or_default();
    let (visit, done) = match (visit, manner) {
        (Err((visit, problem)), _) => (visit, Err(problem.into())),
        (Ok(visit), Err(failure)) => (visit, Err(failure)),
        (Ok(visit), Ok(_)) => {
            let done = answered(node, &visit, (parts, body), handlers, &mut form).await;
            (visit, done)
        }
    };
    let response = done.unwrap_or_else(|failure| refused(&visit, failure));
    let mut response = match form.format {
        Format::Xml => match edge::given(node, response, &visit, form.pretty).await {
            Ok(response) => response,
            Err(failure) => refused(&visit, failure),
        },
        Format::Json if form.pretty => laid_out(response),
        Format::Json => response,
    };
    complete(&mut response, &visit);
    if from_elsewhere {
        cors::allow(response.headers_mut());
    }
    response
}

/// Lets the handlers answer, once it is known who asks. `manner` is how the address asks for it to be
/// written; a form may ask for it otherwise.
async fn answered<S: Handlers>(
    node: &Node,
    visit: &Visit,
    (mut parts, mut body): (Parts, Body),
    handlers: S,
    manner: &mut Manner,
) -> Result<Response, Failure> {
    if visit.may_be_forged(&parts.headers) {
        let message = "This request was sent from another site.";
        return Err(Problem::new(Kind::Security, message).into());
    }
    // Nobody unknown gets a body read.
    if visit.caller().is_none() && !visit.is_look() {
        return Err(Problem::new(Kind::Login, "Sign in first.").into());
    }
    let mut asked = Ask::of(visit.clone(), &mut parts)?;
    // A look's and a deletion's body mean nothing, and those who look may be unknown.
    let has_body = matches!(parts.method, Method::POST | Method::PUT | Method::PATCH);
    if has_body && visit.caller().is_some() {
        body = edge::unpacked(node, &asked.headers, body).await?;
        if Format::sent(&asked.headers) == Some(Format::Xml) {
            body = Body::from(edge::taken(node, body).await?);
            let json = HeaderValue::from_static(FHIR_JSON);
            asked.headers.insert(CONTENT_TYPE, json);
        }
    }
    let asked = Arc::new(asked);
    parts.extensions.insert(asked.clone());
    let Ok(mut response) = handlers.oneshot(Request::from_parts(parts, body)).await;
    // What was refused is told in that form too.
    if let Some(told) = response.extensions_mut().remove::<Told>() {
        manner.format = told.format.unwrap_or(manner.format);
        manner.pretty = told.pretty.unwrap_or(manner.pretty);
    }
    if let Some(failure) = failure_in(&mut response) {
        return Err(failure);
    }
    let by_form = response.extensions_mut().remove::<Wanted>();
    match by_form.as_ref().or(asked.wanted.as_ref()) {
        Some(wanted) => edge::viewed(node, response, wanted).await,
        None => Ok(response),
    }
}

/// How an answer is to be written.
#[derive(Clone, Copy, Debug, Default)]
struct Manner {
    format: Format,
    pretty: bool,
}

impl Manner {
    fn of(parts: &Parts) -> Result<Manner, Failure> {
        let mut query = match parts.uri.query() {
            // Most queries say nothing of it.
            Some(text) if text.contains("_format") || text.contains("_pretty") => {
                query::pairs(text)?
            }
            _ => Vec::new(),
        };
        let format = taken(&mut query, "_format");
        Ok(Manner {
            format: format::wanted(&parts.headers, format.as_deref())?,
            pretty: taken(&mut query, "_pretty").is_some_and(|value| is_pretty(&value)),
        })
    }
}

fn is_pretty(value: &str) -> bool {
    value != "false"
}

/// What a form says of how the answer is to be written, which counts as in the address does
/// (<https://hl7.org/fhir/R4/http.html#search>). It goes back with the answer, since a body is read by
/// its handler alone.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    format: Option<Format>,
    pretty: Option<bool>,
}

impl Told {
    /// Takes `_format` and `_pretty` out of a form.
    ///
    /// # Errors
    /// `NotSupported`, 406, for a format that the door does not speak.
    pub fn taken(headers: &HeaderMap, form: &mut Vec<(String, String)>) -> Result<Told, Failure> {
        let format = taken(form, "_format");
        let format = format.map(|format| format::wanted(headers, Some(&format)));
        Ok(Told {
            format: format.transpose()?,
            pretty: taken(form, "_pretty").map(|value| is_pretty(&value)),
        })
    }
}

/// What a handler refused, or the server on its way to a handler.
pub(super) fn failure_in(response: &mut Response) -> Option<Failure> {
    if let Some(failure) = response.extensions_mut().remove::<Failure>() {
        return Some(failure);
    }
    let status = response.status();
    let is_ours = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind == FHIR_JSON);
    if is_ours || !(status.is_client_error() || status.is_server_error()) {
        return None;
    }
    let (kind, message) = match status {
        StatusCode::METHOD_NOT_ALLOWED => (
            Kind::NotSupported,
            "This address does not take this method.",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => (Kind::TooLong, "The body is too large."),
        _ => (Kind::Invalid, "The request could not be read."),
    };
    Some(Failure::with_status(Problem::new(kind, message), status))
}

/// An OperationOutcome.
fn refused(visit: &Visit, failure: Failure) -> Response {
    failure::log(&visit.request_id, &failure.problem);
    let mut response = Response::new(Body::from(failure.problem.operation_outcome().to_string()));
    *response.status_mut() = failure.status();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(FHIR_JSON));
    match failure.problem.kind {
        Kind::Login => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        Kind::Throttled | Kind::Transient | Kind::Timeout => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
        }
        _ => {}
    }
    response
}

fn complete(response: &mut Response, visit: &Visit) {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&visit.request_id) {
        // A door whose standard has the caller's own id echoed has done so.
        let name = HeaderName::from_static("x-request-id");
        headers.entry(name).or_insert(id);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, INERT);
}
