//! PDS, where the settings name its address.

use std::sync::Arc;

use anyhow::Context as _;
use exchange::pds::Pds;

use super::tokens;
use crate::config::Config;

/// # Errors
/// Names the setting and the reason.
pub fn open(config: &Config) -> anyhow::Result<Option<Arc<Pds>>> {
    let section = &config.pds;
    let Some(url) = &section.url else {
        return Ok(None);
    };
    let signed = (&section.token_url, &section.client);
    let sign_in = tokens::signed_in(signed, (&section.key, &section.key_id), "pds.key")?;
    let pds = Pds::new(url, sign_in).context("pds.url")?;
    Ok(Some(Arc::new(
        pds.paced(section.fresh_hours, section.a_second),
    )))
}
