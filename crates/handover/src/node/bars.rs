//! The way to organisations that are reached by BaRS, where the settings name any.

use std::sync::Arc;

use anyhow::Context as _;
use exchange::bars::Bars;

use crate::config::Config;

/// # Errors
/// Names the setting and the reason.
pub fn open(config: &Config) -> anyhow::Result<Option<Arc<Bars>>> {
    let section = &config.bars;
    if section.services().is_empty() && section.tokens.is_none() {
        return Ok(None);
    }
    let services = section.services().iter().map(|it| it.service());
    let services = services.collect::<anyhow::Result<Vec<_>>>()?;
    let endpoint = match &section.own_service {
        Some(own) => format!("https://fhir.nhs.uk/Id/dos-service-id|{own}"),
        None => {
            let own = config.pages.public_url.trim_end_matches('/');
            format!("{own}/bars/FHIR/R4/$process-message")
        }
    };
    let bars = Bars::new(services, section.tokens.clone(), endpoint).context("bars.service")?;
    Ok(Some(Arc::new(bars)))
}
