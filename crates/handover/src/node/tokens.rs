//! As whom this node fetches tokens of a national service.

use std::path::Path;

use anyhow::Context as _;
use exchange::access_token::SignedIn;
use exchange::jwt::ClientKey;

/// What the settings say of one service; `None` where nobody signs in.
///
/// # Errors
/// Names the setting of the key, and the reason.
pub fn signed_in(
    (token_url, client): (&Option<String>, &Option<String>),
    (key, key_id): (&Path, &str),
    setting: &str,
) -> anyhow::Result<Option<SignedIn>> {
    let (Some(token_url), Some(client)) = (token_url, client) else {
        return Ok(None);
    };
    let opened = ClientKey::open(key, key_id);
    let key = opened.with_context(|| format!("{setting}: {}", key.display()))?;
    Ok(Some(SignedIn {
        token_url: token_url.clone(),
        client: client.clone(),
        key,
    }))
}
