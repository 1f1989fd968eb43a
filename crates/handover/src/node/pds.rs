//! PDS, where the settings name its address.

use std::sync::Arc;

use anyhow::Context as _;
use exchange::jwt::ClientKey;
use exchange::pds::{Pds, SignedIn};

use crate::config::Config;

/// # Errors
/// Names the setting and the reason.
pub fn open(config: &Config) -> anyhow::Result<Option<Arc<Pds>>> {
    let section = &config.pds;
    let Some(url) = &section.url else {
        return Ok(None);
    };
    let sign_in = match (&section.token_url, &section.client) {
        (Some(token_url), Some(client)) => {
            let key = ClientKey::open(&section.key, &section.key_id);
            let key = key.with_context(|| format!("pds.key: {}", section.key.display()))?;
            Some(SignedIn {
                token_url: token_url.clone(),
                client: client.clone(),
                key,
            })
        }
        _ => None,
    };
    let pds = Pds::new(url, sign_in).context("pds.url")?;
    Ok(Some(Arc::new(
        pds.paced(section.fresh_hours, section.a_second),
    )))
}
