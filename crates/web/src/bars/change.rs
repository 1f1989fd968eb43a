//! `PUT`, `PATCH` and `DELETE` of `/Appointment/{id}` and `/ServiceRequest/{id}`, as the published API lists them (decision 0321): each
//! is what a message of its sender would have done, known again by its `X-Request-ID`.

use std::sync::Arc;

use access::{Interaction, Ods, Scope};
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use exchange::booking::{BarsChange, BarsWish};
use exchange::referrals::{Act, BarsCame, BarsReferral, Request as Asked, URGENCIES};
use fhir::json::{self, Limits};
use fhir::members::text;
use fhir::problem::{Kind, Problem};
use http::header::{ALLOW, ETAG, IF_MATCH};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};
use store::Reading;
use store::parcels::Named;

use super::message::{digest, first};
use super::{ERROR_CODES, MESSAGE_BYTES_MAX, answer, refused, scope, slots, told};
use crate::fhir::answer::etag_version;
use crate::node::Node;
use crate::record;

const SUCCESS: &str = "https://fhir.nhs.uk/CodeSystem/NRLF-SuccessCode";
const REASON_CHARS_MAX: usize = exchange::booking::REASON_CHARS_MAX;
const ORGANISATION: &str = "nhsd-end-user-organisation";
/// What is said of an end for which no reason was given.
const NO_REASON: &str = "No reason was given.";

/// What is asked of a resource.
struct Change {
    scope: Scope,
    id: String,
    method: Method,
    /// Who asks: the ODS code and name of the organisation.
    sender: (Ods, String),
    ids: (String, String),
    /// The version that If-Match names.
    version: Option<u64>,
    /// Empty for `DELETE`.
    bytes: Vec<u8>,
    said: Value,
}

impl Change {
    async fn read(
        node: &Node,
        parts: &Parts,
        (ty, id): (&'static str, String),
        body: Body,
    ) -> Result<Change, Problem> {
        let ids = told(&parts.headers)?;
        let interaction = match parts.method {
            Method::PUT => Interaction::Update,
            Method::PATCH => Interaction::Patch,
            _ => Interaction::Delete,
        };
        let scope = scope(node, parts, interaction, ty).await?;
        let bytes = axum::body::to_bytes(body, MESSAGE_BYTES_MAX).await;
        let bytes =
            bytes.map_err(|_| Problem::new(Kind::TooLong, "A resource has up to 2 MiB."))?;
        let said = match parts.method == Method::DELETE {
            true => Value::Null,
            false => resource(&bytes, (ty, &id))?,
        };
        Ok(Change {
            scope,
            id,
            method: parts.method.clone(),
            sender: sender(&parts.headers)?,
            ids,
            version: version(&parts.headers)?,
            bytes: bytes.to_vec(),
            said,
        })
    }

    /// By which it is known again.
    fn message(&self) -> String {
        format!("request-{}", self.ids.0)
    }

    fn digest(&self) -> String {
        let head = format!("{} {}\n", self.method, self.id);
        digest(&[head.as_bytes(), &self.bytes].concat())
    }

    fn is_over(&self, ends: &[&str]) -> bool {
        self.method == Method::DELETE || ends.contains(&text(&self.said, "/status"))
    }
}

fn resource(bytes: &[u8], (ty, id): (&str, &str)) -> Result<Value, Problem> {
    // Strictly: no member twice, no depth without a bound.
    json::parse(bytes, &Limits::default())?;
    let said: Value = serde_json::from_slice(bytes).map_err(|cause| {
        Problem::new(Kind::Structure, "The resource does not read as JSON.").because(cause)
    })?;
    if text(&said, "/resourceType") != ty {
        let what = format!("What is sent is no {ty}.");
        return Err(Problem::new(Kind::Structure, what));
    }
    if !matches!(text(&said, "/id"), "" | "undefined") && text(&said, "/id") != id {
        let what = "The id of the resource is not that of its address.";
        return Err(Problem::new(Kind::Value, what).at("id"));
    }
    Ok(said)
}

/// Who the header says asks.
fn sender(headers: &HeaderMap) -> Result<(Ods, String), Problem> {
    let coded = headers.get(ORGANISATION).map(HeaderValue::as_bytes);
    let read = coded.and_then(|it| STANDARD.decode(it).ok());
    let read: Option<Value> = read.and_then(|it| serde_json::from_slice(&it).ok());
    let read = read.unwrap_or_default();
    let code = text(&read, "/identifier/0/value");
    let ods = Ods::parse(code).map_err(|_| {
        let what = "The header NHSD-End-User-Organisation names no organisation by its ODS code.";
        Problem::new(Kind::Value, what)
    })?;
    let name = first(&[text(&read, "/name"), code]);
    Ok((ods, name.chars().take(REASON_CHARS_MAX).collect()))
}

fn version(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(tag) = headers.get(IF_MATCH) else {
        return Ok(None);
    };
    let version = tag.to_str().ok().and_then(|it| etag_version(it.trim()));
    let what = "If-Match names one version, such as W/\"3\".";
    version
        .map(Some)
        .ok_or_else(|| Problem::new(Kind::Value, what))
}

/// `PUT`, `PATCH`, `DELETE /Appointment/{id}`
pub(super) async fn appointment(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let done = Box::pin(appointment_changed(&node, &parts, id, body)).await;
    finish(&parts, done)
}

async fn appointment_changed(
    node: &Node,
    parts: &Parts,
    id: String,
    body: Body,
) -> Result<(Value, u64), Problem> {
    let change = Change::read(node, parts, ("Appointment", id), body).await?;
    let exchange = slots::diary(node)?;
    let (known, _) = current(node, &change.scope, ("Appointment", &change.id)).await?;
    let came = BarsChange {
        sender: change.sender.0.clone(),
        message: change.message(),
        digest: change.digest(),
        request_id: change.ids.0.clone(),
        correlation_id: change.ids.1.clone(),
        id: change.id.clone(),
        version: change.version,
        wish: wish(&change, &known)?,
    };
    let came = exchange
        .take_bars_booking_change(&change.scope, &came)
        .await?;
    taken(came)?;
    current(node, &change.scope, ("Appointment", &change.id)).await
}

/// What is wanted otherwise than it is known.
fn wish(change: &Change, known: &Value) -> Result<BarsWish, Problem> {
    let said = &change.said;
    let short = |it: &str| it.chars().take(REASON_CHARS_MAX).collect::<String>();
    if change.is_over(&["cancelled", "entered-in-error"]) {
        let reason = first(&[
            text(said, "/cancelationReason/text"),
            text(said, "/cancelationReason/coding/0/display"),
            NO_REASON,
        ]);
        return Ok(BarsWish::Cancel {
            reason: short(&reason),
        });
    }
    if !matches!(text(said, "/status"), "booked" | "") {
        let what = "An appointment is changed as booked, or ended as cancelled.";
        return Err(Problem::new(Kind::Value, what).at("Appointment.status"));
    }
    let id_of = |it: &Value| {
        let reference = text(it, "/slot/0/reference");
        let id = reference.rsplit(['/', ':']).next();
        id.unwrap_or_default().to_owned()
    };
    let slot = Some(id_of(said)).filter(|it| !it.is_empty() && *it != id_of(known));
    // Where it is and when, follows from its slot alone.
    let is_moved = ["/start", "/end"].iter().any(|it| {
        let at = |of: &Value| fhir::date::span(text(of, it)).map(|span| span.low);
        at(said).is_some() && at(said) != at(known)
    });
    if is_moved && slot.is_none() {
        let what = "An appointment is moved by naming another free slot.";
        return Err(Problem::new(Kind::BusinessRule, what).at("Appointment.slot"));
    }
    // The description that we give is with whom it is; another one is why, as in a booking.
    let changed = |place: &str| {
        let it = text(said, place);
        (!it.is_empty() && it != text(known, place)).then(|| it.to_owned())
    };
    let reason = changed("/reasonCode/0/text").or_else(|| changed("/description"));
    let comment = changed("/comment");
    if slot.is_some() && (reason.is_some() || comment.is_some()) {
        let what = "Move an appointment, or change its words: one at a time.";
        return Err(Problem::new(Kind::BusinessRule, what));
    }
    Ok(BarsWish::Amend {
        reason,
        comment,
        slot,
    })
}

/// `PUT`, `PATCH`, `DELETE /ServiceRequest/{id}`
pub(super) async fn referral(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let done = Box::pin(referral_changed(&node, &parts, id, body)).await;
    finish(&parts, done)
}

async fn referral_changed(
    node: &Node,
    parts: &Parts,
    id: String,
    body: Body,
) -> Result<(Value, u64), Problem> {
    let change = Change::read(node, parts, ("ServiceRequest", id), body).await?;
    let exchange = node.exchange.as_ref().ok_or_else(|| {
        let message = "Referrals are not taken by this node: it is in no network.";
        Problem::new(Kind::NotSupported, message)
    })?;
    // A member spelt with a capital letter in the published example.
    let said = &change.said;
    let words = first(&[
        text(said, "/note/0/text"),
        text(said, "/patientInstruction"),
        text(said, "/PatientInstruction"),
    ]);
    let is_over = change.is_over(&["revoked", "entered-in-error", "inactive"]);
    let unknown = Asked {
        service: String::new(),
        urgency: String::new(),
        reason: String::new(),
        question: String::new(),
        referrer: String::new(),
    };
    let came = BarsReferral {
        sender: change.sender.0.clone(),
        sender_name: change.sender.1.clone(),
        message: change.message(),
        digest: change.digest(),
        request_id: change.ids.0.clone(),
        correlation_id: change.ids.1.clone(),
        asked_as: String::new(),
        act: if is_over { Act::Withdraw } else { Act::Reply },
        named: Named::default(),
        request: unknown,
        words,
        body: match change.bytes.is_empty() {
            true => {
                json!({ "resourceType": "ServiceRequest", "id": change.id, "status": "revoked" })
                    .to_string()
                    .into_bytes()
            }
            false => change.bytes.clone(),
        },
        enclosed: Vec::new(),
    };
    let overlay = |known: Asked| overlaid(known, &change.said);
    let about = (change.id.as_str(), change.version);
    let came = exchange
        .take_bars_change(&change.scope, about, came, &overlay)
        .await?;
    taken(came)?;
    current(node, &change.scope, ("ServiceRequest", &change.id)).await
}

/// What is asked for, with what is said of it now.
fn overlaid(known: Asked, said: &Value) -> Asked {
    let or = |place: &str, known: String| match text(said, place) {
        "" => known,
        said => said.to_owned(),
    };
    let urgency = text(said, "/priority");
    Asked {
        service: or("/code/text", known.service),
        urgency: match URGENCIES.contains(&urgency) {
            true => urgency.to_owned(),
            false => known.urgency,
        },
        reason: or("/reasonCode/0/text", known.reason),
        question: or("/orderDetail/0/text", known.question),
        referrer: match known.referrer.rsplit_once(", ") {
            Some((referrer, _)) => referrer.to_owned(),
            None => known.referrer,
        },
    }
}

fn taken(came: BarsCame) -> Result<(), Problem> {
    match came {
        BarsCame::Taken(_) => Ok(()),
        BarsCame::Before(_) => {
            let message = "This request has been taken already.";
            Err(Problem::new(Kind::Duplicate, message))
        }
        BarsCame::Differs => {
            let message =
                "Another request of this organisation was taken under this X-Request-ID before.";
            Err(Problem::new(Kind::Conflict, message))
        }
    }
}

/// The resource as it stands, with its version.
pub(super) async fn current(
    node: &Node,
    scope: &Scope,
    (ty, id): (&'static str, &str),
) -> Result<(Value, u64), Problem> {
    match node.store.read(scope, ty, id).await? {
        Reading::Found(version) => Ok((record::json(&version)?, version.version)),
        _ => {
            let message = match ty {
                "Appointment" => "There is no such appointment here.",
                _ => "There is no such referral here.",
            };
            Err(Problem::new(Kind::NotFound, message))
        }
    }
}

/// The resource with its version in the header.
pub(super) fn versioned(asked: &HeaderMap, (resource, version): &(Value, u64)) -> Response {
    let mut response = answer(StatusCode::OK, asked, resource);
    if let Ok(tag) = HeaderValue::try_from(format!("W/\"{version}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

fn finish(parts: &Parts, done: Result<(Value, u64), Problem>) -> Response {
    let asked = &parts.headers;
    match done {
        // As published: a deletion is answered by what became of it. It is here still, as ended.
        Ok((resource, _)) if parts.method == Method::DELETE => {
            let (code, display) = match text(&resource, "/resourceType") {
                "Appointment" => ("RESOURCE_UPDATED", "Resource updated"),
                _ => ("RESOURCE_REMOVED", "Resource removed"),
            };
            let outcome = json!({
                "resourceType": "OperationOutcome",
                "issue": [{
                    "severity": "information",
                    "code": "informational",
                    "details": { "coding": [{ "system": SUCCESS, "code": code, "display": display }] },
                    "diagnostics": display,
                }],
            });
            answer(StatusCode::OK, asked, &outcome)
        }
        Ok(current) => versioned(asked, &current),
        Err(problem) => refused(asked, &problem),
    }
}

/// What is not served at an address that is.
pub(super) fn not_allowed(asked: &HeaderMap, (allowed, why): (&'static str, &str)) -> Response {
    let outcome = json!({
        "resourceType": "OperationOutcome",
        "issue": [{
            "severity": "error",
            "code": "not-supported",
            "details": { "coding": [{ "system": ERROR_CODES, "code": "REC_METHOD_NOT_ALLOWED" }] },
            "diagnostics": format!("This method is not allowed: {why}"),
        }],
    });
    let mut response = answer(StatusCode::METHOD_NOT_ALLOWED, asked, &outcome);
    let allowed = HeaderValue::from_static(allowed);
    response.headers_mut().insert(ALLOW, allowed);
    response
}
