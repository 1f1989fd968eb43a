//! The door for systems that refer by the Booking and Referral Standard (BaRS, FHIR R4;
//! <https://digital.nhs.uk/developer/api-catalogue/booking-and-referral-fhir>): a receiver of `servicerequest-request`, whose
//! referrals are the same as those of nodes (decision 0211).
//!
//! Invariant: what is answered with 200 is on the disk, and is taken once. Invariant: the ids of a request are in its answer.

mod booking;
mod change;
mod message;
mod slots;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use access::{Interaction, Role, Scope, Who};
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::handler::Handler;
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use exchange::referrals::BarsCame;
use fhir::problem::{Kind, Problem};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::failure;
use crate::node::Node;
use crate::visit::Visit;

/// The largest message, in bytes.
const MESSAGE_BYTES_MAX: usize = 2 << 20;
/// The ids that come back as they came.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
/// Headers that hold JSON in base64.
const TOLD: [&str; 3] = [
    "nhsd-target-identifier",
    "nhsd-end-user-organisation",
    "nhsd-requesting-software",
];
/// The longest header that is read, in bytes.
const HEADER_BYTES_MAX: usize = 8 << 10;
const ERROR_CODES: &str = "https://fhir.nhs.uk/Codesystem/http-error-codes";
/// The event of an answer to a referral that left from here.
const RESPONSE: &str = "servicerequest-response";
/// The events of a booking and of its answer.
const BOOKING: &str = "booking-request";
const BOOKED: &str = "booking-response";
const EVENTS: &str = "https://fhir.nhs.uk/CodeSystem/message-events-bars";
const DEFINITION: &str = "https://fhir.nhs.uk/MessageDefinition/bars-message-";

/// Its addresses.
pub fn routes(node: Arc<Node>) -> Router {
    Router::new()
        .route("/bars/FHIR/R4/metadata", only_read(get(metadata)))
        .route(
            "/bars/FHIR/R4/MessageDefinition",
            only_read(get(definitions)),
        )
        .route(
            "/bars/FHIR/R4/$process-message",
            post(process).fallback(only_posted),
        )
        .route(
            "/bars/FHIR/R4/ServiceRequest",
            only_read(get(booking::referrals_of)),
        )
        .route(
            "/bars/FHIR/R4/ServiceRequest/{id}",
            one(get(read), change::referral),
        )
        .route("/bars/FHIR/R4/Slot", only_read(get(slots::search)))
        .route(
            "/bars/FHIR/R4/Appointment",
            only_read(get(booking::of_patient)),
        )
        .route(
            "/bars/FHIR/R4/Appointment/{id}",
            one(get(booking::one), change::appointment),
        )
        .with_state(node)
}

type Methods = MethodRouter<Arc<Node>>;

/// An address at which nothing is changed.
fn only_read(methods: Methods) -> Methods {
    methods.fallback(|request: Request| async move {
        let why = "only GET is served here. What is new comes as a message to $process-message, since a resource alone does not say whose it is.";
        change::not_allowed(request.headers(), ("GET", why))
    })
}

async fn only_posted(request: Request) -> Response {
    let why = "messages are sent by POST.";
    change::not_allowed(request.headers(), ("POST", why))
}

/// An address of one resource, which who sent it may change.
fn one<H, T>(methods: Methods, change: H) -> Methods
where
    H: Handler<T, Arc<Node>> + Clone,
    T: 'static,
{
    let methods = methods.put(change.clone()).patch(change.clone());
    methods
        .delete(change)
        .fallback(|request: Request| async move {
            let why = "GET, PUT, PATCH and DELETE are published for one resource.";
            change::not_allowed(request.headers(), ("GET, PUT, PATCH, DELETE", why))
        })
}

/// An answer with the request's ids.
fn answer(status: StatusCode, asked: &HeaderMap, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/fhir+json; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    for name in [REQUEST_ID, CORRELATION_ID] {
        if let Some(value) = asked.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

/// A problem as the standard says it.
fn refused(asked: &HeaderMap, problem: &Problem) -> Response {
    let status = match problem.kind {
        Kind::NotSupported => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::TooLong => StatusCode::BAD_REQUEST,
        kind => failure::status(kind),
    };
    let id = asked.get(&REQUEST_ID).and_then(|it| it.to_str().ok());
    failure::log(id.unwrap_or_default(), problem);
    let code = match status {
        StatusCode::BAD_REQUEST => "REC_BAD_REQUEST",
        StatusCode::UNAUTHORIZED => "REC_UNAUTHORIZED",
        StatusCode::FORBIDDEN => "REC_FORBIDDEN",
        StatusCode::NOT_FOUND => "REC_NOT_FOUND",
        StatusCode::CONFLICT => "REC_CONFLICT",
        StatusCode::UNPROCESSABLE_ENTITY => "REC_UNPROCESSABLE_ENTITY",
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
            "REC_SERVICE_UNAVAILABLE"
        }
        _ => "REC_SERVER_ERROR",
    };
    let outcome = json!({
        "resourceType": "OperationOutcome",
        "issue": [{
            "severity": "error",
            "code": problem.code(),
            "details": { "coding": [{ "system": ERROR_CODES, "code": code }] },
            "diagnostics": problem.message,
        }],
    });
    answer(status, asked, &outcome)
}

/// What every request must say of itself. Gives both ids.
fn told(headers: &HeaderMap) -> Result<(String, String), Problem> {
    let text = |name: &str| {
        let value = headers.get(name).and_then(|it| it.to_str().ok());
        value.filter(|it| !it.is_empty() && it.len() <= HEADER_BYTES_MAX)
    };
    let required = |name: &str| {
        text(name)
            .ok_or_else(|| Problem::new(Kind::Required, format!("The header {name} is missing.")))
    };
    let request = required(REQUEST_ID.as_str())?.to_owned();
    let correlation = required(CORRELATION_ID.as_str())?.to_owned();
    for name in TOLD {
        let value = required(name)?;
        let json = STANDARD.decode(value).ok();
        let json = json.and_then(|it| serde_json::from_slice::<Value>(&it).ok());
        if !json.is_some_and(|it| it.is_object()) {
            let message = format!("The header {name} is not a JSON object in base64.");
            return Err(Problem::new(Kind::Invalid, message));
        }
    }
    Ok((request, correlation))
}

/// Who asks: one of the organisation's own systems, or a gateway that has its token.
async fn scope(
    node: &Node,
    parts: &Parts,
    interaction: Interaction,
    ty: &'static str,
) -> Result<Scope, Problem> {
    let visit = Visit::of(node, parts).await?;
    let is_system = matches!(
        visit.known()?.who,
        Who::Staff {
            role: Role::System,
            ..
        }
    );
    if !is_system {
        let message = "This door is for systems; use a token made by `handover token`.";
        return Err(Problem::new(Kind::Forbidden, message));
    }
    visit.scope(node, interaction, ty).await
}

/// `POST /$process-message`
async fn process(State(node): State<Arc<Node>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match Box::pin(processed(&node, &parts, body)).await {
        Ok(bundle) => answer(StatusCode::OK, &parts.headers, &bundle),
        Err(problem) => refused(&parts.headers, &problem),
    }
}

async fn processed(node: &Node, parts: &Parts, body: Body) -> Result<Value, Problem> {
    let ids = told(&parts.headers)?;
    let scope = scope(node, parts, Interaction::Create, "ServiceRequest").await?;
    let bytes = axum::body::to_bytes(body, MESSAGE_BYTES_MAX).await;
    let bytes = bytes.map_err(|_| Problem::new(Kind::TooLong, "A message has up to 2 MiB."))?;
    let message = message::open(&bytes)?;
    let exchange = node.exchange.as_ref().ok_or_else(|| {
        let message = "Referrals are not taken by this node: it is in no network.";
        Problem::new(Kind::NotSupported, message)
    })?;
    if message.event() == BOOKING {
        let asked = booking::read(&message, &bytes, ids)?;
        let came = slots::diary(node)?
            .take_bars_booking(&scope, &asked)
            .await?;
        let status = if asked.cancelled {
            "cancelled"
        } else {
            "booked"
        };
        return answered(node, (&asked.message, BOOKED, status), came);
    }
    let (id, came) = if message.event() == RESPONSE {
        let answer = message::answer(&message, &bytes, ids)?;
        let came = exchange.take_bars_answer(&scope, &answer).await?;
        (answer.message, came)
    } else {
        let asked = message::read(&message, &bytes, ids)?;
        let came = exchange.take_bars(&scope, &asked).await?;
        (asked.message, came)
    };
    answered(node, (&id, RESPONSE, "active"), came)
}

/// What its sender is told of a message.
fn answered(
    node: &Node,
    (message, event, status): (&str, &str, &str),
    came: BarsCame,
) -> Result<Value, Problem> {
    match came {
        BarsCame::Taken(id) => Ok(response(node, (message, event), (status, &id))),
        BarsCame::Before(_) => {
            let message = "This message has been taken already.";
            Err(Problem::new(Kind::Duplicate, message))
        }
        BarsCame::Differs => {
            let message = "Another message of this sender was taken under this id before.";
            Err(Problem::new(Kind::Conflict, message))
        }
    }
}

/// The message that answers: it is here, and waits for a clinician. Nothing says that it is accepted.
fn response(node: &Node, (message, event): (&str, &str), (status, id): (&str, &str)) -> Value {
    let own = &node.site;
    let focus = match event {
        BOOKED => "Appointment",
        _ => "ServiceRequest",
    };
    let resource = match event {
        BOOKED => json!({
            "resourceType": "Appointment",
            "id": id,
            "status": status,
            "participant": [{ "actor": { "display": "As in the message" }, "status": "accepted" }],
        }),
        _ => json!({
            "resourceType": "ServiceRequest",
            "id": id,
            "status": status,
            "intent": "order",
            "subject": { "display": "As in the message" },
        }),
    };
    let header = uuid::Uuid::new_v4();
    json!({
        "resourceType": "Bundle",
        "id": uuid::Uuid::new_v4().to_string(),
        "type": "message",
        "entry": [
            {
                "fullUrl": format!("urn:uuid:{header}"),
                "resource": {
                    "resourceType": "MessageHeader",
                    "eventCoding": { "system": EVENTS, "code": event },
                    "source": {
                        "name": own.name,
                        "endpoint": format!("{}/bars/FHIR/R4/$process-message", own.base_url),
                    },
                    "response": { "identifier": message, "code": "ok" },
                    "focus": [{ "reference": format!("{focus}/{id}") }],
                },
            },
            {
                "fullUrl": format!("{}/bars/FHIR/R4/{focus}/{id}", own.base_url),
                "resource": resource,
            },
        ],
    })
}

/// `GET /ServiceRequest/{id}`: a referral that came by this door, as it stands.
async fn read(State(node): State<Arc<Node>>, Path(id): Path<String>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    match found(&node, &parts, ("ServiceRequest", &id)).await {
        Ok(current) => change::versioned(&parts.headers, &current),
        Err(problem) => refused(&parts.headers, &problem),
    }
}

/// One resource, with its version.
async fn found(
    node: &Node,
    parts: &Parts,
    (ty, id): (&'static str, &str),
) -> Result<(Value, u64), Problem> {
    told(&parts.headers)?;
    let scope = scope(node, parts, Interaction::Read, ty).await?;
    change::current(node, &scope, (ty, id)).await
}

/// `GET /metadata`
async fn metadata(request: Request) -> Response {
    let changed = ["read", "search-type", "update", "patch", "delete"];
    let changed = changed.map(|it| json!({ "code": it }));
    let statement = json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-01-01",
        "kind": "capability",
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "rest": [{
            "mode": "server",
            "resource": [
                { "type": "MessageDefinition", "interaction": [{ "code": "search-type" }] },
                { "type": "ServiceRequest", "interaction": changed },
                { "type": "Slot", "interaction": [{ "code": "search-type" }] },
                { "type": "Appointment", "interaction": changed },
            ],
            "operation": [{
                "name": "process-message",
                "definition": "http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message",
            }],
        }],
    });
    answer(StatusCode::OK, request.headers(), &statement)
}

/// `GET /MessageDefinition`: which messages are taken.
async fn definitions(request: Request) -> Response {
    let definition = |event: &str, focus: &str| {
        json!({ "resource": {
            "resourceType": "MessageDefinition",
            "url": format!("{DEFINITION}{event}"),
            "status": "active",
            "date": "2026-01-01",
            "eventCoding": { "system": EVENTS, "code": event },
            "focus": [{ "code": focus, "min": 1, "max": "1" }],
        }, "search": { "mode": "match" } })
    };
    let bundle = json!({
        "resourceType": "Bundle",
        "type": "searchset",
        "total": 3,
        "entry": [
            definition("servicerequest-request", "ServiceRequest"),
            definition(RESPONSE, "ServiceRequest"),
            definition(BOOKING, "Appointment"),
        ],
    });
    answer(StatusCode::OK, request.headers(), &bundle)
}
