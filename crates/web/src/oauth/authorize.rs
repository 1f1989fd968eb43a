//! `/oauth2/authorize` (RFC 6749 §4.1.1, SMART "obtain authorization code"): what an app asks is checked
//! and written down; the person answers on a page of its own.

use std::sync::Arc;

use access::oauth::{Level, Scopes, is_challenge};
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use serde::{Deserialize, Serialize};
use store::oauth::{Client, Launch, OauthWrite};

use super::failure::Refused;
use super::form::Parameters;
use super::{ASK_LIFE, ONLINE_LIFE};
use crate::node::Node;
use crate::page::problem::Refusal;
use crate::page::see_other;
use crate::secret::Secret;

/// The longest `state` and `nonce` that are carried back, in bytes.
const CARRIED_BYTES_MAX: usize = 1000;

/// What an app asks of a person, as it is written down.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Asked {
    pub client: String,
    pub redirect: String,
    pub state: String,
    pub scopes: String,
    pub challenge: String,
    pub nonce: Option<String>,
    pub jkt: Option<String>,
    /// The member of staff and the patient of an EHR launch.
    pub launch: Option<(i64, String)>,
}

/// `GET /oauth2/authorize`
pub async fn by_get(
    State(node): State<Arc<Node>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    asked(&node, query.unwrap_or_default().as_bytes()).await
}

/// `POST /oauth2/authorize`
pub async fn by_post(State(node): State<Arc<Node>>, body: Bytes) -> Result<Response, Refusal> {
    asked(&node, &body).await
}

async fn asked(node: &Node, text: &[u8]) -> Result<Response, Refusal> {
    let wrong = |message: &str| Problem::new(Kind::Invalid, message.to_string());
    let form = Parameters::read(text).map_err(|_| wrong("The app's request cannot be read."))?;
    // Without a known app and address nobody is sent anywhere (RFC 9700 §4.11).
    let id = form.get("client_id").unwrap_or_default();
    let client = node.store.oauth_client(id).await?;
    let client = client.filter(Client::is_approved).ok_or_else(|| {
        wrong("This app is not known here, or nobody has approved it yet. Ask who runs this node.")
    })?;
    let redirect = form.get("redirect_uri").unwrap_or_default();
    if !client.redirects.iter().any(|known| known == redirect) {
        let message = "The app asks to be sent to an address that it has not registered.";
        return Err(wrong(message).into());
    }
    let state = form.get("state").unwrap_or_default();
    let checked = match checked(node, &form, &client, redirect).await {
        Ok(asked) => keep(node, asked).await,
        Err(refused) => Err(refused),
    };
    match checked {
        Ok(address) => Ok(see_other(&address)),
        Err((code, message)) => {
            let pairs = [("error", code), ("error_description", message.as_str())];
            Ok(see_other(&back(node, redirect, state, &pairs)))
        }
    }
}

type Wrong = (&'static str, String);

async fn checked(
    node: &Node,
    form: &Parameters,
    client: &Client,
    redirect: &str,
) -> Result<Asked, Wrong> {
    let wrong = |message: &str| ("invalid_request", message.to_string());
    if form.get("request").is_some() || form.get("request_uri").is_some() {
        return Err((
            "request_not_supported",
            "Requests are plain parameters.".into(),
        ));
    }
    if form.get("response_type") != Some("code") {
        return Err(("unsupported_response_type", "response_type is code.".into()));
    }
    let challenge = form.get("code_challenge").unwrap_or_default();
    if form.get("code_challenge_method") != Some("S256") || !is_challenge(challenge) {
        return Err(wrong(
            "PKCE is needed: code_challenge, with code_challenge_method S256.",
        ));
    }
    let base = node.site.fhir_url();
    if form.get("aud").map(|aud| aud.trim_end_matches('/')) != Some(base.as_str()) {
        return Err(wrong("aud is the address of this node's FHIR door."));
    }
    let carried = |name: &str| match form.get(name) {
        Some(text) if text.len() > CARRIED_BYTES_MAX => Err(wrong("state or nonce is too long.")),
        found => Ok(found.map(str::to_string)),
    };
    let state = carried("state")?.ok_or_else(|| wrong("state is missing."))?;
    if form.get("prompt") == Some("none") {
        let message = "A person answers each time.".to_string();
        return Err(("interaction_required", message));
    }
    let allowed = Scopes::parse(&client.scopes).of(&[Level::Patient, Level::User]);
    let scopes = Scopes::parse(form.get("scope").unwrap_or_default()).within(&allowed);
    if scopes.resources.is_empty() && !scopes.openid {
        return Err((
            "invalid_scope",
            "The app may have none of these scopes.".into(),
        ));
    }
    Ok(Asked {
        client: client.id.clone(),
        redirect: redirect.to_string(),
        state,
        scopes: scopes.text(),
        challenge: challenge.to_string(),
        nonce: carried("nonce")?,
        jkt: carried("dpop_jkt")?,
        launch: launch(node, form, client, &scopes).await?,
    })
}

/// The launch that the app was started by.
async fn launch(
    node: &Node,
    form: &Parameters,
    client: &Client,
    scopes: &Scopes,
) -> Result<Option<(i64, String)>, Wrong> {
    let (true, Some(text)) = (scopes.launch, form.get("launch")) else {
        return Ok(None);
    };
    let failed = |_| {
        (
            "temporarily_unavailable",
            "Try again in a minute.".to_string(),
        )
    };
    let now = node.store.now();
    let found = match Secret::presented(text) {
        Some(secret) => node.store.oauth_launch(&secret.digest(), now).await,
        None => Ok(None),
    };
    let found: Option<Launch> = found.map_err(failed)?;
    let found = found.filter(|launch| launch.client == client.id);
    let found = found.ok_or_else(|| {
        let message = "The launch is too old, or another app's; start the app again.";
        ("invalid_request", message.to_string())
    })?;
    Ok(Some((found.account, found.patient)))
}

/// Writes down what is asked; the address of the page where it is answered.
async fn keep(node: &Node, asked: Asked) -> Result<String, Wrong> {
    let failed = |_| ("server_error", "The request could not be kept.".to_string());
    let secret = Secret::random();
    let request = serde_json::to_string(&asked);
    let write = OauthWrite::Ask {
        digest: secret.digest(),
        request: request.map_err(|_| failed(Refused::request("")))?,
        expires_at: node.store.now().saturating_add(ASK_LIFE.min(ONLINE_LIFE)),
    };
    let kept = node.store.write_oauth(write).await;
    kept.map_err(|problem| failed(Refused::from(problem)))?;
    let scopes = Scopes::parse(&asked.scopes);
    // Patients come by their own door; a launch, and what one user may see of many, is for staff.
    let staff = asked.launch.is_some() || scopes.has_level(Level::User);
    let pages = if staff {
        "/staff/apps/allow"
    } else {
        "/apps/allow"
    };
    Ok(format!("{pages}/{}", secret.reveal()))
}

/// The app's address with what it is told, `state` and `iss` among it (RFC 9207, A10).
pub fn back(node: &Node, redirect: &str, state: &str, pairs: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    if !state.is_empty() {
        query.append_pair("state", state);
    }
    query.append_pair("iss", node.site.issuer());
    let sign = if redirect.contains('?') { '&' } else { '?' };
    format!("{redirect}{sign}{}", query.finish())
}
