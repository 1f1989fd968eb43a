//! A stand-in of the Electronic Prescription Service: it takes, hands over and takes back prescriptions in
//! the shapes of the published examples, and signs with a key of its own where a prescriber would with their
//! smartcard. It is not EPS: no prescription that went through it is lawful.

mod shelf;

use std::path::PathBuf;
use std::sync::Arc;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use exchange::jwt::Jwks;
use fhir::date;
use http::{StatusCode, header};
use parking_lot::Mutex;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use store::Clock;

use super::tokens::TokenService;
pub use shelf::Refusal;
use shelf::Shelf;

/// A message at most, in bytes.
const BODY_BYTES_MAX: usize = 1 << 20;

/// The stand-in.
pub struct StandIn {
    key: Ed25519KeyPair,
    shelf: Mutex<Shelf>,
    clock: Clock,
    /// Where all of it is kept.
    file: Option<PathBuf>,
    /// So many answers are lost from now on, after what was asked was done.
    losing: Mutex<u32>,
    /// Nobody needs a token if there is no such service.
    tokens: Option<TokenService>,
}

impl StandIn {
    /// What the file keeps, or a new one.
    ///
    /// # Errors
    /// Names what could not be read or made.
    pub fn open(file: Option<PathBuf>) -> Result<StandIn, String> {
        let kept = file.as_ref().filter(|it| it.exists());
        let (shelf, pkcs8) = match kept {
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|cause| cause.to_string())?;
                Shelf::read(&text)?
            }
            None => {
                let random = aws_lc_rs::rand::SystemRandom::new();
                let made = Ed25519KeyPair::generate_pkcs8(&random);
                let made = made.map_err(|_| "no key could be made")?;
                (Shelf::default(), made.as_ref().to_vec())
            }
        };
        let key = Ed25519KeyPair::from_pkcs8(&pkcs8).map_err(|_| "the key does not read")?;
        let stand_in = StandIn {
            key,
            shelf: Mutex::new(shelf.with_key(&pkcs8)),
            clock: Clock::system(),
            file,
            losing: Mutex::new(0),
            tokens: None,
        };
        stand_in.keep(&stand_in.shelf.lock())?;
        Ok(stand_in)
    }

    /// The same for those alone who fetch a token with one of these keys, at its stand-in of the token service.
    #[must_use]
    pub fn for_clients(mut self, clients: Jwks, clock: Clock) -> StandIn {
        self.tokens = Some(TokenService::new(clients, clock));
        self
    }

    /// Its addresses.
    pub fn router(self: Arc<StandIn>) -> Router {
        let admitted = from_fn_with_state(self.clone(), admit);
        Router::new()
            .route("/FHIR/R4/$prepare", post(prepare))
            .route("/FHIR/R4/$process-message", post(process))
            .route("/FHIR/R4/Task/$release", post(release))
            .route("/FHIR/R4/Task", post(give_back))
            .route_layer(admitted)
            .route("/oauth2/token", post(token))
            .route("/stand-in", get(tell))
            .route("/stand-in/sign", post(sign))
            .route("/stand-in/lose-answers", post(lose))
            .layer(axum::extract::DefaultBodyLimit::max(BODY_BYTES_MAX))
            .with_state(self)
    }

    fn keep(&self, shelf: &Shelf) -> Result<(), String> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let next = file.with_extension("next");
        std::fs::write(&next, shelf.text())
            .and_then(|()| std::fs::rename(&next, file))
            .map_err(|cause| cause.to_string())
    }

    /// Does something with the shelf, keeps what came of it, and only then answers.
    fn with(&self, act: impl FnOnce(&mut Shelf) -> Result<Value, Refusal>) -> Response {
        let mut shelf = self.shelf.lock();
        let done = act(&mut shelf);
        if done.is_ok()
            && let Err(cause) = self.keep(&shelf)
        {
            tracing::error!(%cause, "the stand-in of EPS cannot keep what it took");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        drop(shelf);
        let mut losing = self.losing.lock();
        if *losing > 0 {
            *losing -= 1;
            return StatusCode::GATEWAY_TIMEOUT.into_response();
        }
        match done {
            Ok(answer) if shelf::is_refusal(&answer) => say(StatusCode::BAD_REQUEST, &answer),
            Ok(answer) => say(StatusCode::OK, &answer),
            Err(refusal) => refused(&refusal),
        }
    }
}

/// Whoever has no token is told so, where tokens are asked for.
async fn admit(State(stand_in): State<Arc<StandIn>>, request: Request, next: Next) -> Response {
    let mut tokens = stand_in.tokens.iter();
    if tokens.any(|it| it.given_for(request.headers()).is_none()) {
        let outcome = json!({
            "resourceType": "OperationOutcome",
            "issue": [{ "severity": "error", "code": "forbidden", "diagnostics": "Invalid access token" }],
        });
        return say(StatusCode::UNAUTHORIZED, &outcome);
    }
    next.run(request).await
}

/// A bearer token for a signed statement.
async fn token(State(stand_in): State<Arc<StandIn>>, body: Bytes) -> Response {
    match &stand_in.tokens {
        Some(tokens) => tokens.token(&body),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn say(status: StatusCode, answer: &Value) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/fhir+json")];
    (status, kind, Body::from(answer.to_string())).into_response()
}

fn refused(refusal: &Refusal) -> Response {
    let outcome = json!({
        "resourceType": "OperationOutcome",
        "issue": [{ "severity": "error", "code": "invalid", "diagnostics": refusal.0 }],
    });
    say(StatusCode::BAD_REQUEST, &outcome)
}

fn read(body: &[u8]) -> Result<Value, Refusal> {
    let unread = |_| Refusal("The message does not read.".to_owned());
    serde_json::from_slice(body).map_err(unread)
}

/// What of a message is signed: its MedicationRequests.
fn digest(message: &Value) -> String {
    let mut hash = Sha256::new();
    for resource in shelf::resources(message, "MedicationRequest") {
        hash.update(resource.to_string().as_bytes());
    }
    STANDARD.encode(hash.finalize())
}

async fn prepare(State(stand_in): State<Arc<StandIn>>, body: Bytes) -> Response {
    let message = match read(&body) {
        Ok(message) => message,
        Err(refusal) => return refused(&refusal),
    };
    if shelf::resources(&message, "MedicationRequest")
        .next()
        .is_none()
    {
        return refused(&Refusal("There is no medicine in it.".to_owned()));
    }
    let value = |name: &str, value: String| json!({ "name": name, "valueString": value });
    let parameters = json!({
        "resourceType": "Parameters",
        "parameter": [
            value("digest", digest(&message)),
            value("timestamp", date::instant(stand_in.clock.now())),
            value("algorithm", "stand-in: Ed25519, not a lawful signature".to_owned()),
        ],
    });
    say(StatusCode::OK, &parameters)
}

/// In the place of a prescriber's smartcard.
async fn sign(State(stand_in): State<Arc<StandIn>>, body: Bytes) -> Response {
    let asked = match read(&body) {
        Ok(asked) => asked,
        Err(refusal) => return refused(&refusal),
    };
    let digest = asked.get("digest").and_then(Value::as_str);
    let Some(digest) = digest else {
        return refused(&Refusal("There is nothing to sign.".to_owned()));
    };
    let signature = stand_in.key.sign(digest.as_bytes());
    let answer = json!({
        "standIn": true,
        "signature": STANDARD.encode(signature.as_ref()),
    });
    say(StatusCode::OK, &answer)
}

async fn process(State(stand_in): State<Arc<StandIn>>, body: Bytes) -> Response {
    let message = match read(&body) {
        Ok(message) => message,
        Err(refusal) => return refused(&refusal),
    };
    let public = stand_in.key.public_key().as_ref().to_vec();
    stand_in.with(|shelf| {
        let event = shelf::event(&message);
        if event == "prescription-order" {
            check_signature(&public, &message)?;
        }
        shelf.process(&event, message, &body)
    })
}

fn check_signature(public: &[u8], message: &Value) -> Result<(), Refusal> {
    let wrong = || Refusal("The prescription is not signed, or not as it is.".to_owned());
    let provenance = shelf::resources(message, "Provenance").next();
    let data = provenance.and_then(|it| it.pointer("/signature/0/data")?.as_str());
    let signature = STANDARD
        .decode(data.ok_or_else(wrong)?)
        .map_err(|_| wrong())?;
    UnparsedPublicKey::new(&ED25519, public)
        .verify(digest(message).as_bytes(), &signature)
        .map_err(|_| wrong())
}

async fn release(State(stand_in): State<Arc<StandIn>>, body: Bytes) -> Response {
    stand_in.with(|shelf| shelf.release(&read(&body)?))
}

async fn give_back(State(stand_in): State<Arc<StandIn>>, body: Bytes) -> Response {
    stand_in.with(|shelf| shelf.give_back(&read(&body)?, &body))
}

/// What is on the shelf, for those who try it out.
async fn tell(State(stand_in): State<Arc<StandIn>>) -> Response {
    let told = stand_in.shelf.lock().tell();
    say(StatusCode::OK, &told)
}

/// So many answers are lost from now on, as a gateway loses them (504): what was asked is done all the same.
async fn lose(State(stand_in): State<Arc<StandIn>>, body: Bytes) -> Response {
    let asked = read(&body).unwrap_or_default();
    let times = asked.get("times").and_then(Value::as_u64).unwrap_or(0);
    *stand_in.losing.lock() = u32::try_from(times).unwrap_or(u32::MAX);
    StatusCode::NO_CONTENT.into_response()
}

#[cfg(test)]
mod tests;
