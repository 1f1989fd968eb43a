//! A client that signs with its own key (RFC 7523, SMART "asymmetric", and the NHS signed JWT).

use access::oauth::{Assertion, check_assertion};
use exchange::jwt::{Alg, Jwt};
use store::oauth::{Client, ClientKind, OauthDone, OauthWrite};

use super::failure::Refused;
use super::keys;
use crate::node::Node;

/// The algorithms that clients may sign with: SMART's RS384 and ES384, the NHS's RS512, and newer ones.
pub const ALGS: &[Alg] = &[
    Alg::Rs384,
    Alg::Rs512,
    Alg::Ps384,
    Alg::Es256,
    Alg::Es384,
    Alg::EdDsa,
];

/// The client of an assertion, which is taken once.
///
/// # Errors
/// `invalid_client`, whatever is wrong.
pub async fn client(node: &Node, text: &str) -> Result<Client, Refused> {
    let jwt = Jwt::read(text).map_err(Refused::client)?;
    if !ALGS.contains(&jwt.alg) {
        return Err(Refused::client(
            "Sign the assertion with RS384, ES384 or RS512.",
        ));
    }
    if jwt.header_text("kid").is_none() {
        return Err(Refused::client("The assertion's header names no kid."));
    }
    let now = node.store.now();
    let audience = node.site.oauth_url("token");
    let alias = node.oauth.mtls_url.as_deref();
    let alias = alias.map(|url| format!("{url}/oauth2/token"));
    let audiences: Vec<&str> = std::iter::once(audience.as_str())
        .chain(alias.as_deref())
        .collect();
    let assertion = check_assertion(&jwt.claims, &audiences, now).map_err(Refused::client)?;
    let unknown = || Refused::client("There is no such client, or nobody has approved it yet.");
    let client = node.store.oauth_client(&assertion.client).await?;
    let client = client.filter(Client::is_approved).ok_or_else(unknown)?;
    if client.kind != ClientKind::Asymmetric {
        return Err(unknown());
    }
    verify(node, &jwt, &client).await?;
    take_once(node, &assertion).await?;
    Ok(client)
}

async fn verify(node: &Node, jwt: &Jwt<'_>, client: &Client) -> Result<(), Refused> {
    let known = keys::of(node, client, false).await?;
    if jwt.verified_by(&known).is_ok() {
        return Ok(());
    }
    // The client may have a new key.
    let known = keys::of(node, client, true).await?;
    jwt.verified_by(&known).map_err(Refused::client)
}

async fn take_once(node: &Node, assertion: &Assertion) -> Result<(), Refused> {
    let see = OauthWrite::See {
        digest: super::once("assertion", &assertion.client, &assertion.jti),
        // Clocks may differ by what the check allows.
        expires_at: assertion.expires_at.saturating_add(super::MINUTE),
    };
    match node.store.write_oauth(see).await? {
        OauthDone::Changed(1) => Ok(()),
        _ => {
            tracing::warn!(client = assertion.client, "an assertion came twice");
            Err(Refused::client("This assertion was used before."))
        }
    }
}
