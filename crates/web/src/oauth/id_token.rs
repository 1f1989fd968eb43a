//! The identity token (OpenID Connect Core §2) with SMART's `fhirUser`.

use access::oauth::Scopes;
use fhir::date::Millis;
use serde_json::{Value, json};
use store::accounts::Holder;
use store::oauth::{Client, Issued};

use super::failure::Refused;
use crate::node::Node;

/// How long it is good, in seconds.
const LIFE_SECONDS: i64 = 600;

/// The token, if `openid` was granted.
///
/// # Errors
/// If it cannot be signed.
pub async fn of(
    node: &Node,
    client: &Client,
    issued: &Issued,
    now: Millis,
) -> Result<Option<String>, Refused> {
    let scopes = Scopes::parse(&issued.scopes);
    let account = node.store.account(issued.account).await?;
    let (true, Some(account)) = (scopes.openid, account) else {
        return Ok(None);
    };
    let seconds = now.div_euclid(1000);
    let mut claims = json!({
        "iss": node.site.issuer(),
        "sub": format!("account-{}", account.id),
        "aud": client.id,
        "iat": seconds,
        "exp": seconds + LIFE_SECONDS,
    });
    let mut add = |name: &str, value: String| {
        if let Some(claims) = claims.as_object_mut() {
            claims.insert(name.into(), Value::String(value));
        }
    };
    if let Some(nonce) = &issued.nonce {
        add("nonce", nonce.clone());
    }
    // Staff have no resource at the node, so no address of one.
    if let (true, Holder::Patient { patient, .. }) = (scopes.fhir_user, &account.holder) {
        add(
            "fhirUser",
            format!("{}/Patient/{patient}", node.site.fhir_url()),
        );
    }
    Ok(Some(node.oauth.identity()?.sign(&claims)?))
}
