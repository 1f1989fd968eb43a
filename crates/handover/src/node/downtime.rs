//! The pack for when everything is off, where the settings name a folder.

use std::path::Path;

use anyhow::{Context as _, bail};
use web::carried::PASSPHRASE_CHARS_MIN;
use web::downtime::Downtime;

use super::secret_text;
use crate::config::Config;

/// # Errors
/// Names the setting and the reason.
pub fn open(config: &Config) -> anyhow::Result<Option<Downtime>> {
    let section = &config.downtime;
    let Some(folder) = &section.folder else {
        return Ok(None);
    };
    Ok(Some(at(config, folder)?))
}

/// The same with the file written into another folder.
///
/// # Errors
/// Names the setting and the reason.
pub fn at(config: &Config, folder: &Path) -> anyhow::Result<Downtime> {
    let section = &config.downtime;
    if !folder.is_dir() {
        bail!(
            "downtime.folder: {} is not there; mount it or make it",
            folder.display()
        );
    }
    let file = section.passphrase.display();
    let passphrase =
        secret_text(&section.passphrase).with_context(|| format!("downtime.passphrase: {file}"))?;
    if passphrase.chars().count() < PASSPHRASE_CHARS_MIN {
        bail!("downtime.passphrase: {file} holds fewer than {PASSPHRASE_CHARS_MIN} characters");
    }
    let times = (section.every_minutes, section.opens_hours);
    Ok(Downtime::new(folder.to_owned(), passphrase, times))
}
