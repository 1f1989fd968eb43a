//! The fax bridge, as the settings say.

use std::sync::Arc;

use exchange::fax::{Allowed, Faxes, Settings};
use store::Store;

use crate::config::Config;

/// The worker, and to whom letters may go by fax.
pub struct Parts {
    pub worker: Faxes,
    pub allowed: Arc<Allowed>,
}

/// Opens what the bridge needs, if it is on.
///
/// # Errors
/// Those of the store, and of a process without a working folder.
pub async fn open(config: &Config, store: &Store) -> anyhow::Result<Option<Parts>> {
    let section = &config.fax;
    if !section.enabled {
        return Ok(None);
    }
    let settings = Settings {
        // A bare name would be looked for along PATH, and not beside the settings.
        sendfax: section
            .sendfax
            .as_ref()
            .map(std::path::absolute)
            .transpose()?,
        spool: std::path::absolute(&section.spool)?,
        name: config.organisation.name.clone(),
        contact: section.contact.clone().unwrap_or_default(),
        tries_max: section.tries_max,
        unheard_hours: section.unheard_hours,
        keep_days: section.keep_days,
    };
    let allowed = Arc::new(Allowed::default());
    let worker = Faxes::new(store.clone(), settings, allowed.clone());
    // Before any letter is made: one for a number in force would be called undeliverable otherwise.
    worker.refresh().await?;
    Ok(Some(Parts { worker, allowed }))
}
