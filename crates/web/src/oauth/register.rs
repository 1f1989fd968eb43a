//! `POST /oauth2/register` (RFC 7591): an app makes itself known, and waits until a person approves it.

use std::sync::Arc;

use access::oauth::{Level, Scopes, check_redirect};
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use exchange::jwt::Jwks;
use fhir::date::Millis;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use store::oauth::{Client, ClientKind, ClientState, OauthWrite};

use super::failure::{Refused, answer};
use crate::node::Node;
use crate::secret::Secret;

/// The most that wait for a person at a time.
const WAITING_MAX: usize = 100;
const NAME_BYTES_MAX: usize = 100;
const REDIRECTS_MAX: usize = 10;

/// What an app says of itself. What is not here (a logo, a web page) is not looked at: nothing that
/// an app says of itself is fetched or shown but its name.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Registration {
    #[serde(default)]
    pub client_name: String,
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// `none`, `private_key_jwt` or `client_secret_basic`.
    #[serde(default)]
    pub token_endpoint_auth_method: Option<String>,
    #[serde(default)]
    pub scope: String,
    #[serde(default)]
    pub jwks: Option<Value>,
    #[serde(default)]
    pub jwks_uri: Option<String>,
    #[serde(default)]
    pub initiate_login_uri: Option<String>,
    #[serde(default)]
    pub grant_types: Option<Vec<String>>,
}

/// `POST /oauth2/register`
pub async fn register(State(node): State<Arc<Node>>, body: Bytes) -> Result<Response, Refused> {
    if !node.oauth.registration_open {
        let message = "Apps are registered by who runs this node (`handover app add`).";
        return Err(Refused::new("access_denied", message));
    }
    let wrong = |_| metadata("The registration is a JSON object as RFC 7591 has it.");
    let registration: Registration = serde_json::from_slice(&body).map_err(wrong)?;
    let waiting = node.store.oauth_clients().await?;
    let waiting = waiting.iter().filter(|it| it.state == ClientState::Waiting);
    if waiting.count() >= WAITING_MAX {
        let message = "Too many apps wait to be approved; try again another day.";
        return Err(Refused::new("temporarily_unavailable", message));
    }
    let (client, secret) = registration.client(&node.oauth, node.store.now())?;
    let put = OauthWrite::PutClient(Box::new(client.clone()));
    node.store.write_oauth(put).await?;
    Ok(answer(StatusCode::CREATED, &told(&client, secret.as_ref())))
}

fn metadata(message: &str) -> Refused {
    Refused::new("invalid_client_metadata", message)
}

impl Registration {
    /// The client of it, waiting, with its secret if it is to have one.
    ///
    /// # Errors
    /// `invalid_client_metadata` or `invalid_redirect_uri`, with a sentence.
    pub fn client(
        &self,
        settings: &super::Oauth,
        now: Millis,
    ) -> Result<(Client, Option<Secret>), Refused> {
        let name = self.client_name.trim();
        if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
            return Err(metadata("client_name is a name of at most 100 bytes."));
        }
        if self.redirect_uris.len() > REDIRECTS_MAX {
            return Err(metadata("There are too many redirect_uris."));
        }
        let addresses = self.redirect_uris.iter().chain(&self.initiate_login_uri);
        for address in addresses {
            check_redirect(address)
                .map_err(|message| Refused::new("invalid_redirect_uri", message))?;
        }
        let kind = self.kind(settings)?;
        let (jwks, jwks_uri) = self.keys(kind)?;
        let scopes = self.scopes(kind)?;
        let secret = (kind == ClientKind::Symmetric).then(Secret::random);
        let client = Client {
            id: uuid::Uuid::new_v4().to_string(),
            name: name.to_string(),
            kind,
            redirects: self.redirect_uris.clone(),
            launch_uri: self.initiate_login_uri.clone(),
            jwks,
            jwks_uri,
            secret: secret.as_ref().map(Secret::digest),
            scopes: scopes.text(),
            state: ClientState::Waiting,
            account: None,
            made_at: now,
            decided_by: None,
        };
        Ok((client, secret))
    }

    fn kind(&self, settings: &super::Oauth) -> Result<ClientKind, Refused> {
        match self.token_endpoint_auth_method.as_deref() {
            Some("private_key_jwt") => Ok(ClientKind::Asymmetric),
            Some("none") => Ok(ClientKind::Public),
            Some("client_secret_basic") | None if settings.secrets_allowed => {
                Ok(ClientKind::Symmetric)
            }
            _ => Err(metadata(
                "token_endpoint_auth_method is none, private_key_jwt or, where this node allows \
                 secrets, client_secret_basic.",
            )),
        }
    }

    fn keys(&self, kind: ClientKind) -> Result<(Option<String>, Option<String>), Refused> {
        if kind != ClientKind::Asymmetric {
            return Ok((None, None));
        }
        match (&self.jwks, &self.jwks_uri) {
            (Some(set), None) => {
                let text = set.to_string();
                Jwks::read(text.as_bytes()).map_err(metadata)?;
                Ok((Some(text), None))
            }
            (None, Some(address)) if address.starts_with("https://") => {
                Ok((None, Some(address.clone())))
            }
            _ => Err(metadata(
                "private_key_jwt needs either jwks, or a jwks_uri that begins with https://.",
            )),
        }
    }

    fn scopes(&self, kind: ClientKind) -> Result<Scopes, Refused> {
        let asked = Scopes::parse(&self.scope);
        // Without an address to come back to it is a system.
        let scopes = if self.redirect_uris.is_empty() {
            asked.of(&[Level::System])
        } else {
            asked.of(&[Level::Patient, Level::User])
        };
        if self.redirect_uris.is_empty() && kind == ClientKind::Public {
            return Err(metadata("An app has redirect_uris; a system has a key."));
        }
        if scopes.resources.is_empty() && !scopes.openid {
            return Err(metadata(
                "scope names what is wanted, such as patient/*.rs for an app or system/*.rs for a system.",
            ));
        }
        Ok(scopes)
    }
}

fn told(client: &Client, secret: Option<&Secret>) -> Value {
    let method = match client.kind {
        ClientKind::Public => "none",
        ClientKind::Symmetric => "client_secret_basic",
        ClientKind::Asymmetric => "private_key_jwt",
    };
    let grants: &[&str] = if client.is_system() {
        &["client_credentials"]
    } else {
        &["authorization_code", "refresh_token"]
    };
    let mut told = json!({
        "client_id": client.id,
        "client_id_issued_at": client.made_at.div_euclid(1000),
        "client_name": client.name,
        "redirect_uris": client.redirects,
        "token_endpoint_auth_method": method,
        "grant_types": grants,
        "scope": client.scopes,
    });
    if let (Some(told), Some(secret)) = (told.as_object_mut(), secret) {
        told.insert("client_secret".into(), json!(secret.reveal()));
        told.insert("client_secret_expires_at".into(), json!(0));
    }
    told
}
