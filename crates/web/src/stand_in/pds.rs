//! A stand-in of PDS (the Personal Demographics Service): reading and searching as its published specification
//! and tests say (<https://digital.nhs.uk/developer/api-catalogue/personal-demographics-service-fhir>), over made-up people
//! from a file. It is not PDS, and knows nobody who lives.

mod people;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use exchange::jwt::Jwks;
use http::{HeaderMap, StatusCode, header};
use parking_lot::Mutex;
use serde_json::{Value, json};
use store::Clock;

use super::tokens::TokenService;
use people::People;

const SPINE: &str = "https://fhir.nhs.uk/R4/CodeSystem/Spine-ErrorOrWarningCode";
/// A form at most, in bytes.
const BODY_BYTES_MAX: usize = 64 << 10;
/// Names of requests that are remembered at most.
const REMEMBERED_MAX: usize = 1_000;

/// The stand-in.
pub struct StandIn {
    people: People,
    /// Nobody needs a token if there is no such service.
    tokens: Option<TokenService>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// The request ids that came, in order.
    requests: Vec<String>,
    /// So many answers are 503 from now on, with that `Retry-After`.
    busy: (u32, u32),
    /// It answers nothing but 503.
    down: bool,
}

/// What PDS does not do: the status, the code and the word of the issue, and what it says of it.
type Refusal = (StatusCode, &'static str, &'static str, String);

impl StandIn {
    /// A stand-in with these people: a JSON list of FHIR Patients, and of `{"number": …, "supersededBy": …}`,
    /// `{"number": …, "invalidated": true}`.
    ///
    /// # Errors
    /// Names what does not read.
    pub fn of(people: &str, clients: Option<Jwks>) -> Result<StandIn, String> {
        Ok(StandIn {
            people: People::read(people)?,
            tokens: clients.map(|keys| TokenService::new(keys, Clock::system())),
            seen: Mutex::default(),
        })
    }

    /// Its addresses.
    pub fn router(self: Arc<StandIn>) -> Router {
        Router::new()
            .route("/oauth2/token", post(token))
            .route("/Patient", get(search))
            .route("/Patient/{number}", get(read))
            .route("/stand-in", get(tell))
            .route("/stand-in/busy", post(busy))
            .layer(axum::extract::DefaultBodyLimit::max(BODY_BYTES_MAX))
            .with_state(self)
    }

    /// What holds for each question.
    fn admit(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let text = |name: &str| headers.get(name).and_then(|it| it.to_str().ok());
        let mut seen = self.seen.lock();
        let mut tokens = self.tokens.iter();
        if tokens.any(|it| it.given_for(headers).is_none()) {
            let said = "Invalid access token - Access Token Missing".to_owned();
            return Err((StatusCode::UNAUTHORIZED, "forbidden", "ACCESS_DENIED", said));
        }
        let bad = |code, said: &str| Err((StatusCode::BAD_REQUEST, "value", code, said.to_owned()));
        let Some(id) = text("x-request-id") else {
            return bad("MISSING_VALUE", "Missing value - 'X-Request-ID'");
        };
        if !is_uuid(id) {
            return bad("INVALID_VALUE", "Invalid value in header 'X-Request-ID'");
        }
        if seen.requests.len() >= REMEMBERED_MAX {
            seen.requests.clear();
        }
        seen.requests.push(id.to_owned());
        if seen.down || seen.busy.0 > 0 {
            seen.busy.0 = seen.busy.0.saturating_sub(1);
            let said = "The downstream domain processing has not completed within the configured timeout period.";
            return Err((
                StatusCode::SERVICE_UNAVAILABLE,
                "timeout",
                "UNABLE_TO_CALL_SERVICE",
                said.to_owned(),
            ));
        }
        Ok(())
    }

    fn refused(&self, headers: &HeaderMap, (status, code, word, said): Refusal) -> Response {
        let severity = match status {
            StatusCode::NOT_FOUND => "information",
            _ => "error",
        };
        let outcome = json!({
            "resourceType": "OperationOutcome",
            "issue": [{
                "severity": severity, "code": code, "diagnostics": said,
                "details": { "coding": [{ "system": SPINE, "version": "1", "code": word }] },
            }],
        });
        let mut response = say(headers, status, &outcome, None);
        if status == StatusCode::SERVICE_UNAVAILABLE
            && let Ok(after) = self.seen.lock().busy.1.max(1).to_string().parse()
        {
            response.headers_mut().insert(header::RETRY_AFTER, after);
        }
        response
    }
}

fn is_uuid(text: &str) -> bool {
    let parts: Vec<usize> = text.split('-').map(str::len).collect();
    let is_hex = text.bytes().all(|it| it == b'-' || it.is_ascii_hexdigit());
    parts == [8, 4, 4, 4, 12] && is_hex
}

/// An answer, with the ids of the question mirrored.
fn say(asked: &HeaderMap, status: StatusCode, body: &Value, etag: Option<&str>) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/fhir+json")];
    let mut response = (status, kind, Body::from(body.to_string())).into_response();
    for name in ["x-request-id", "x-correlation-id"] {
        if let (Ok(key), Some(value)) = (header::HeaderName::try_from(name), asked.get(name)) {
            response.headers_mut().insert(key, value.clone());
        }
    }
    if let Some(Ok(etag)) = etag.map(|it| format!("W/\"{it}\"").parse()) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

async fn read(
    State(stand_in): State<Arc<StandIn>>,
    Path(number): Path<String>,
    headers: HeaderMap,
) -> Response {
    let read = stand_in
        .admit(&headers)
        .and_then(|()| stand_in.people.read_one(&number));
    match read {
        Ok(person) => {
            let version = person.pointer("/meta/versionId").and_then(Value::as_str);
            say(
                &headers,
                StatusCode::OK,
                &person,
                Some(version.unwrap_or("1")),
            )
        }
        Err(refusal) => stand_in.refused(&headers, refusal),
    }
}

async fn search(
    State(stand_in): State<Arc<StandIn>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .into_owned()
        .collect();
    let found = stand_in
        .admit(&headers)
        .and_then(|()| stand_in.people.search(&pairs));
    match found {
        Ok(bundle) => say(&headers, StatusCode::OK, &bundle, None),
        Err(refusal) => stand_in.refused(&headers, refusal),
    }
}

/// A bearer token for a signed statement.
async fn token(State(stand_in): State<Arc<StandIn>>, body: Bytes) -> Response {
    match &stand_in.tokens {
        Some(tokens) => tokens.token(&body),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// What was asked, for tests.
async fn tell(State(stand_in): State<Arc<StandIn>>) -> Response {
    let seen = stand_in.seen.lock();
    let told = json!({ "standIn": true, "requests": seen.requests });
    say(&HeaderMap::new(), StatusCode::OK, &told, None)
}

/// Makes it busy: `{"times": 2, "seconds": 1}`; `{"down": true}` until it is told otherwise.
async fn busy(State(stand_in): State<Arc<StandIn>>, body: Bytes) -> StatusCode {
    let asked: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let number = |name: &str| {
        let value = asked.get(name).and_then(Value::as_u64).unwrap_or(0);
        u32::try_from(value.min(1_000)).unwrap_or(0)
    };
    let mut seen = stand_in.seen.lock();
    seen.busy = (number("times"), number("seconds"));
    seen.down = asked.get("down") == Some(&Value::Bool(true));
    StatusCode::NO_CONTENT
}
