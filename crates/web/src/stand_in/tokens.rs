//! A stand-in of the NHS's token service: it changes a signed statement for a bearer token, as STANDARDS has it (RS512, `iss`
//! and `sub` alike, five minutes at most, once), and a statement with an ID token of NHS login for that person's. It is not the
//! NHS's: what it gives out opens stand-ins alone.

use axum::response::{IntoResponse, Response};
use exchange::jwt::{Jwks, Jwt};
use http::{HeaderMap, StatusCode, header};
use parking_lot::Mutex;
use serde_json::{Value, json};
use store::Clock;

/// Tokens, and names of statements, that are remembered at most.
const REMEMBERED_MAX: usize = 1_000;
/// A statement counts for five minutes at most.
const STATEMENT_SECONDS_MAX: i64 = 300;
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

/// The service.
pub struct TokenService {
    /// Who may fetch a token, by which keys.
    clients: Jwks,
    clock: Clock,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Each with the ID token that it was given for, if for one.
    tokens: Vec<(String, String)>,
    /// `jti` of statements: each serves once.
    statements: Vec<String>,
}

impl TokenService {
    pub fn new(clients: Jwks, clock: Clock) -> TokenService {
        TokenService {
            clients,
            clock,
            seen: Mutex::default(),
        }
    }

    /// `POST /oauth2/token`
    pub fn token(&self, body: &[u8]) -> Response {
        let kind = [(header::CONTENT_TYPE, "application/json")];
        match self.given(body) {
            Ok(answer) => (StatusCode::OK, kind, answer.to_string()).into_response(),
            Err(said) => {
                let error = json!({ "error": "invalid_request", "error_description": said });
                (StatusCode::UNAUTHORIZED, kind, error.to_string()).into_response()
            }
        }
    }

    fn given(&self, body: &[u8]) -> Result<Value, &'static str> {
        let pairs: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
        let value = |name: &str| {
            let mut all = pairs.iter();
            all.find(|(known, _)| known == name)
                .map_or("", |it| it.1.as_str())
        };
        let subject = match value("grant_type") {
            "client_credentials" => "",
            EXCHANGE if value("subject_token_type") == ID_TOKEN => value("subject_token"),
            _ => return Err("the grant is client_credentials, or the exchange of an ID token"),
        };
        if value("grant_type") == EXCHANGE && subject.is_empty() {
            return Err("there is no ID token to exchange");
        }
        let jwt = Jwt::read(value("client_assertion"))?;
        let claim = |name: &str| jwt.claims.get(name).and_then(Value::as_str).unwrap_or("");
        let now = self.clock.now().div_euclid(1000);
        let until = jwt.claims.get("exp").and_then(Value::as_i64).unwrap_or(0);
        if jwt.header_text("alg") != Some("RS512") {
            return Err("the statement is signed with RS512");
        }
        if jwt.verified_by(&self.clients).is_err() || jwt.header_text("kid").is_none() {
            return Err("the signature is of none of the client's keys");
        }
        if claim("iss").is_empty()
            || claim("iss") != claim("sub")
            || !claim("aud").ends_with("/oauth2/token")
        {
            return Err("iss and sub are the client, aud the token service");
        }
        if until <= now || until > now.saturating_add(STATEMENT_SECONDS_MAX) {
            return Err("the statement counts for five minutes at most");
        }
        let mut seen = self.seen.lock();
        let id = claim("jti").to_owned();
        if id.is_empty() || seen.statements.contains(&id) {
            return Err("a statement serves once");
        }
        if seen.statements.len() >= REMEMBERED_MAX {
            seen.statements.clear();
            seen.tokens.clear();
        }
        seen.statements.push(id);
        let token = uuid::Uuid::new_v4().to_string();
        seen.tokens.push((token.clone(), subject.to_owned()));
        Ok(json!({ "access_token": token, "expires_in": "599", "token_type": "Bearer" }))
    }

    /// For which ID token the bearer's token was given, empty for none; `None` if it was not given here.
    pub fn given_for(&self, headers: &HeaderMap) -> Option<String> {
        let bearer = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let token = bearer.strip_prefix("Bearer ")?;
        let seen = self.seen.lock();
        let mut all = seen.tokens.iter();
        all.find(|(known, _)| known == token)
            .map(|(_, subject)| subject.clone())
    }

    /// How many tokens count now.
    pub fn count(&self) -> usize {
        self.seen.lock().tokens.len()
    }

    /// None counts any more.
    pub fn end_all(&self) {
        self.seen.lock().tokens.clear();
    }
}
