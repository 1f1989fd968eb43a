//! Which client asks: each by the one way that it registered, so that none can be had by a weaker one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use store::oauth::{Client, ClientKind};
use subtle::ConstantTimeEq;

use super::assertion;
use super::failure::Refused;
use super::form::Parameters;
use crate::node::Node;
use crate::secret::Secret;
use crate::sign_in::begin::Address;

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The client of a request to the token endpoint and its neighbours. Who fails too often from one
/// address is not heard for a while.
///
/// # Errors
/// `invalid_client`, `invalid_request`; `slow_down`.
pub async fn client(
    node: &Node,
    Address(address): &Address,
    headers: &HeaderMap,
    form: &Parameters,
) -> Result<Client, Refused> {
    // Counted apart from people who sign in: neither shuts out the other.
    let from = format!("oauth {address}");
    let attempts = &node.sign_in.attempts;
    if !attempts.admit_from(&from, node.store.now()) {
        return Err(Refused::too_often());
    }
    let client = proved(node, headers, form).await?;
    attempts.forgive_from(&from);
    let named = form.get("client_id");
    if named.is_some_and(|named| named != client.id) {
        return Err(Refused::client("client_id names another client."));
    }
    Ok(client)
}

async fn proved(node: &Node, headers: &HeaderMap, form: &Parameters) -> Result<Client, Refused> {
    if form.get("client_secret").is_some() {
        let message = "A secret is sent in the Authorization header alone (client_secret_basic).";
        return Err(Refused::client(message));
    }
    if let Some(text) = form.get("client_assertion") {
        if form.get("client_assertion_type") != Some(ASSERTION) {
            let message = format!("client_assertion_type is {ASSERTION}.");
            return Err(Refused::request(message));
        }
        return assertion::client(node, text).await;
    }
    if let Some(value) = headers.get(AUTHORIZATION) {
        return by_secret(node, value.to_str().unwrap_or_default()).await;
    }
    let id = match (form.get("client_id"), form.get("refresh_token")) {
        // SMART's public apps name nothing but the token when they renew it.
        (None, Some(token)) => match Secret::presented(token) {
            Some(secret) => node.store.oauth_refreshes(&secret.digest()).await?,
            None => None,
        },
        _ => Some(form.need("client_id")?.to_string()),
    };
    let id = id.ok_or_else(|| Refused::grant("The refresh token is not, or no longer, good."))?;
    of_kind(node, &id, ClientKind::Public).await
}

async fn of_kind(node: &Node, id: &str, kind: ClientKind) -> Result<Client, Refused> {
    let client = node.store.oauth_client(id).await?;
    let client = client.filter(|client| client.is_approved() && client.kind == kind);
    client.ok_or_else(|| {
        let message = "There is no such client, nobody has approved it yet, or it proves itself in \
             another way.";
        Refused::client(message)
    })
}

async fn by_secret(node: &Node, value: &str) -> Result<Client, Refused> {
    let wrong = || Refused::client("The client or its secret is not right.");
    let encoded = value.strip_prefix("Basic ").ok_or_else(wrong)?;
    let decoded = STANDARD.decode(encoded.trim()).map_err(|_| wrong())?;
    let text = String::from_utf8(decoded).map_err(|_| wrong())?;
    let (id, secret) = text.split_once(':').ok_or_else(wrong)?;
    let plain = |text: &str| {
        let decoded = percent_encoding::percent_decode_str(text).decode_utf8();
        decoded.map(|text| text.into_owned()).unwrap_or_default()
    };
    if !node.oauth.secrets_allowed {
        let message = "This node takes no shared secrets; register a key (private_key_jwt).";
        return Err(Refused::client(message));
    }
    let client = of_kind(node, &plain(id), ClientKind::Symmetric).await?;
    let digest: [u8; 32] = Sha256::digest(plain(secret).as_bytes()).into();
    let known = client.secret.unwrap_or_default();
    let fits: bool = known.ct_eq(&digest).into();
    if fits { Ok(client) } else { Err(wrong()) }
}
