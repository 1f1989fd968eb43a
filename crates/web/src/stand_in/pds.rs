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
use exchange::jwt::{Jwks, Jwt};
use http::{HeaderMap, StatusCode, header};
use parking_lot::Mutex;
use serde_json::{Value, json};
use store::Clock;

use people::People;

const SPINE: &str = "https://fhir.nhs.uk/R4/CodeSystem/Spine-ErrorOrWarningCode";
/// A form at most, in bytes.
const BODY_BYTES_MAX: usize = 64 << 10;
/// Tokens, and names of statements, that are remembered at most.
const REMEMBERED_MAX: usize = 1_000;
/// A statement counts for five minutes at most.
const STATEMENT_SECONDS_MAX: i64 = 300;

/// The stand-in.
pub struct StandIn {
    people: People,
    /// Who may fetch a token, by which keys; nobody needs one if there are none.
    clients: Option<Jwks>,
    clock: Clock,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    tokens: Vec<String>,
    /// `jti` of statements: each serves once.
    statements: Vec<String>,
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
            clients,
            clock: Clock::system(),
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
        if self.clients.is_some() {
            let token = text("authorization").and_then(|it| it.strip_prefix("Bearer "));
            if !token.is_some_and(|it| seen.tokens.iter().any(|known| known == it)) {
                let said = "Invalid access token - Access Token Missing".to_owned();
                return Err((StatusCode::UNAUTHORIZED, "forbidden", "ACCESS_DENIED", said));
            }
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

/// `client_credentials` with a signed statement, as STANDARDS has it: RS512, `iss` and `sub` alike, five minutes at
/// most, once.
async fn token(State(stand_in): State<Arc<StandIn>>, headers: HeaderMap, body: Bytes) -> Response {
    let refused = |said: &str| {
        let error = json!({ "error": "invalid_request", "error_description": said });
        say(&headers, StatusCode::UNAUTHORIZED, &error, None)
    };
    let pairs: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().collect();
    let value = |name: &str| {
        let mut all = pairs.iter();
        all.find(|(known, _)| known == name)
            .map_or("", |it| it.1.as_str())
    };
    let Some(keys) = &stand_in.clients else {
        return refused("nobody signs in here");
    };
    let jwt = match Jwt::read(value("client_assertion")) {
        Ok(jwt) => jwt,
        Err(why) => return refused(why),
    };
    let claim = |name: &str| jwt.claims.get(name).and_then(Value::as_str).unwrap_or("");
    let now = stand_in.clock.now().div_euclid(1000);
    let until = jwt.claims.get("exp").and_then(Value::as_i64).unwrap_or(0);
    if value("grant_type") != "client_credentials" || jwt.header_text("alg") != Some("RS512") {
        return refused("the statement is signed with RS512, for client_credentials");
    }
    if jwt.verified_by(keys).is_err() || jwt.header_text("kid").is_none() {
        return refused("the signature is of none of the client's keys");
    }
    if claim("iss").is_empty()
        || claim("iss") != claim("sub")
        || !claim("aud").ends_with("/oauth2/token")
    {
        return refused("iss and sub are the client, aud the token service");
    }
    if until <= now || until > now.saturating_add(STATEMENT_SECONDS_MAX) {
        return refused("the statement counts for five minutes at most");
    }
    let mut seen = stand_in.seen.lock();
    let id = claim("jti").to_owned();
    if id.is_empty() || seen.statements.contains(&id) {
        return refused("a statement serves once");
    }
    if seen.statements.len() >= REMEMBERED_MAX {
        seen.statements.clear();
        seen.tokens.clear();
    }
    seen.statements.push(id);
    let token = uuid::Uuid::new_v4().to_string();
    seen.tokens.push(token.clone());
    let answer = json!({ "access_token": token, "expires_in": "599", "token_type": "Bearer" });
    say(&headers, StatusCode::OK, &answer, None)
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
