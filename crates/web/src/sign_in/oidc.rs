//! OpenID Connect as a relying party (<https://openid.net/specs/openid-connect-core-1_0.html>): the
//! code flow with PKCE, `state`, `nonce`, the issuer checked (RFC 9207), and a client that proves
//! itself by a signed assertion (`private_key_jwt`), as NHS login and CIS2 ask.

pub mod claims;
pub mod flow;
pub mod nhs_login;
pub mod staff;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use exchange::outgoing::{Call, Outgoing};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use http::Method;
pub use jsonwebtoken::Algorithm;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::secret::Secret;

/// For how long what the provider publishes is believed, in milliseconds.
const PUBLISHED_LASTS: Millis = 60 * 60 * 1000;
/// How soon its keys may be asked for again, for a key that is not among them, in milliseconds.
const KEYS_AGAIN: Millis = 60 * 1000;
/// For how long an assertion of ours is good, in seconds.
const ASSERTION_SECONDS: i64 = 120;
/// How far the provider's clock may be off, in seconds.
const SKEW_SECONDS: i64 = 60;
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A provider, and how this node stands with it.
pub struct Provider {
    pub issuer: String,
    pub client_id: String,
    key: EncodingKey,
    key_id: Option<String>,
    /// The algorithms that its statements may be signed by.
    algorithms: Vec<Algorithm>,
    outgoing: Outgoing,
    published: Mutex<Option<Published>>,
}

#[derive(Clone)]
struct Published {
    at: Millis,
    facts: Arc<Facts>,
    keys: Arc<JwkSet>,
}

/// What `/.well-known/openid-configuration` says.
#[derive(Debug, Deserialize)]
pub struct Facts {
    issuer: String,
    pub authorization_endpoint: String,
    token_endpoint: String,
    userinfo_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// What the token endpoint gives.
#[derive(Deserialize)]
struct Tokens {
    access_token: String,
    id_token: String,
}

/// What a code was changed for: the claims of the id token, and those of userinfo, of one subject.
pub struct Claims {
    pub subject: String,
    pub id_token: Value,
    pub userinfo: Value,
    /// The ID token as it was signed.
    pub signed: String,
}

/// What a sign-in sent along and must find again.
pub struct Sent<'a> {
    pub redirect_uri: &'a str,
    pub nonce: &'a str,
    pub verifier: &'a str,
}

impl Provider {
    /// A provider at `issuer`, reached by `outgoing`, where this node is `client_id` and signs with
    /// the RSA key of `key_pem`.
    ///
    /// # Errors
    /// `Invalid` if the key does not read.
    pub fn new(
        issuer: &str,
        client_id: &str,
        (key_pem, key_id): (&[u8], Option<String>),
        algorithms: Vec<Algorithm>,
        outgoing: Outgoing,
    ) -> Result<Provider, Problem> {
        let key = EncodingKey::from_rsa_pem(key_pem).map_err(|cause| {
            Problem::new(Kind::Invalid, "This is not an RSA private key in PEM.").because(cause)
        })?;
        Ok(Provider {
            issuer: issuer.to_owned(),
            client_id: client_id.to_owned(),
            key,
            key_id,
            algorithms,
            outgoing,
            published: Mutex::new(None),
        })
    }

    /// What the provider publishes, asked for again from time to time.
    ///
    /// # Errors
    /// `Transient` if it cannot be reached or makes no sense.
    pub async fn facts(&self, now: Millis) -> Result<Arc<Facts>, Problem> {
        Ok(self.published(now, PUBLISHED_LASTS).await?.facts)
    }

    async fn published(&self, now: Millis, lasts: Millis) -> Result<Published, Problem> {
        let kept = self.published.lock().clone();
        if let Some(kept) = kept
            && (0..lasts).contains(&now.saturating_sub(kept.at))
        {
            return Ok(kept);
        }
        let issuer = self.issuer.trim_end_matches('/');
        let address = format!("{issuer}/.well-known/openid-configuration");
        let facts: Facts = read(&self.get(&address, None).await?)?;
        if facts.issuer != self.issuer {
            return Err(trouble("it calls itself by another name than the settings"));
        }
        let keys: JwkSet = read(&self.get(&facts.jwks_uri, None).await?)?;
        let published = Published {
            at: now,
            facts: Arc::new(facts),
            keys: Arc::new(keys),
        };
        *self.published.lock() = Some(published.clone());
        Ok(published)
    }

    async fn get(&self, address: &str, token: Option<&str>) -> Result<Bytes, Problem> {
        let mut headers = vec![("accept".to_owned(), "application/json".to_owned())];
        if let Some(token) = token {
            headers.push(("authorization".to_owned(), format!("Bearer {token}")));
        }
        self.ask(Call {
            method: Method::GET,
            url: address.to_owned(),
            headers,
            body: Bytes::new(),
        })
        .await
    }

    async fn ask(&self, call: Call) -> Result<Bytes, Problem> {
        match self.outgoing.answer(call).await {
            Ok((200, body)) => Ok(body),
            Ok((status, body)) => {
                // The error's word only: a description could name somebody.
                let said = serde_json::from_slice::<Value>(&body).ok();
                let said = said.map(|it| claims::text(&it, "error").to_owned());
                let said: String = said.unwrap_or_default().chars().take(60).collect();
                Err(trouble(format!("it answered {status} {said}")))
            }
            Err(reason) => Err(trouble(reason)),
        }
    }

    /// Whether the answer that came back by the browser names this provider (A10, RFC 9207).
    pub fn answered_by(&self, facts: &Facts, iss: Option<&str>) -> bool {
        match iss {
            Some(iss) => iss == self.issuer,
            None => !facts.authorization_response_iss_parameter_supported,
        }
    }

    /// Changes a code for claims.
    ///
    /// # Errors
    /// `Security` if what came is not what was asked for, `Transient` if the provider fails.
    pub async fn redeem(
        &self,
        code: &str,
        sent: &Sent<'_>,
        now: Millis,
    ) -> Result<Claims, Problem> {
        let facts = self.facts(now).await?;
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", sent.redirect_uri)
            .append_pair("code_verifier", sent.verifier)
            .append_pair("client_id", &self.client_id)
            .append_pair("client_assertion_type", ASSERTION_TYPE)
            .append_pair("client_assertion", &self.assertion(&facts, now)?)
            .finish();
        let kind = "application/x-www-form-urlencoded";
        let call = Call {
            method: Method::POST,
            url: facts.token_endpoint.clone(),
            headers: vec![
                ("content-type".to_owned(), kind.to_owned()),
                ("accept".to_owned(), "application/json".to_owned()),
            ],
            body: body.into(),
        };
        let tokens: Tokens = read(&self.ask(call).await?)?;
        let id_token = self.verify(&tokens.id_token, sent.nonce, now).await?;
        let subject = claims::text(&id_token, "sub").to_owned();
        let userinfo = self.get(&facts.userinfo_endpoint, Some(&tokens.access_token));
        let userinfo: Value = read(&userinfo.await?)?;
        if subject.is_empty() || claims::text(&userinfo, "sub") != subject {
            return Err(refused("userinfo is of another subject than the id token"));
        }
        Ok(Claims {
            subject,
            id_token,
            userinfo,
            signed: tokens.id_token,
        })
    }

    /// A signed statement of who this node is, good for one request (RFC 7523).
    fn assertion(&self, facts: &Facts, now: Millis) -> Result<String, Problem> {
        let seconds = now.div_euclid(1000);
        let claims = serde_json::json!({
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": facts.token_endpoint,
            "jti": Secret::random().reveal(),
            "iat": seconds,
            "exp": seconds.saturating_add(ASSERTION_SECONDS),
        });
        let mut header = Header::new(Algorithm::RS512);
        header.kid.clone_from(&self.key_id);
        jsonwebtoken::encode(&header, &claims, &self.key).map_err(|cause| {
            Problem::new(Kind::Exception, "The node could not sign.").because(cause)
        })
    }

    async fn verify(&self, token: &str, nonce: &str, now: Millis) -> Result<Value, Problem> {
        let bad = |cause: jsonwebtoken::errors::Error| {
            refused("the id token does not hold").because(cause)
        };
        let header = jsonwebtoken::decode_header(token).map_err(bad)?;
        if !self.algorithms.contains(&header.alg) {
            return Err(refused("the id token is signed by another algorithm"));
        }
        let key = self.key(header.kid.as_deref(), now).await?;
        let mut validation = Validation::new(header.alg);
        // Times are held against the node's clock, and the audience as OpenID Connect says, below.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let key = DecodingKey::from_jwk(&key).map_err(bad)?;
        let claims = jsonwebtoken::decode::<Value>(token, &key, &validation).map_err(bad)?;
        claims::check(
            &claims.claims,
            &claims::Expected {
                issuer: &self.issuer,
                client_id: &self.client_id,
                nonce,
                now_seconds: now.div_euclid(1000),
                skew_seconds: SKEW_SECONDS,
            },
        )
        .map_err(refused)?;
        Ok(claims.claims)
    }

    /// The provider's key of that name; its keys are asked for anew if it is not among them.
    async fn key(&self, kid: Option<&str>, now: Millis) -> Result<Jwk, Problem> {
        for lasts in [PUBLISHED_LASTS, KEYS_AGAIN] {
            let keys = self.published(now, lasts).await?.keys;
            let found = match (kid, keys.keys.as_slice()) {
                (Some(kid), _) => keys.find(kid),
                (None, [only]) => Some(only),
                (None, _) => None,
            };
            if let Some(found) = found {
                return Ok(found.clone());
            }
        }
        Err(refused("the id token is signed by an unknown key"))
    }
}

/// The challenge of a verifier (RFC 7636, S256).
pub fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|cause| trouble(format!("its answer: {cause}")))
}

fn trouble(reason: impl Into<String>) -> Problem {
    let message = "The sign-in service cannot be used just now. Try again in a minute.";
    Problem::new(Kind::Transient, message).because(reason.into())
}

fn refused(reason: &'static str) -> Problem {
    let message = "What the sign-in service answered does not fit what was asked. Start again.";
    Problem::new(Kind::Security, message).because(reason)
}
