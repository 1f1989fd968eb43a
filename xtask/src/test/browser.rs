//! The browser for the page tests.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::shell::{install_package, which};

const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// A Chromium on this machine (`HANDOVER_TEST_CHROMIUM` names another), installed when there is none.
///
/// # Errors
/// When there is none and it cannot be installed: the message says what to run.
pub fn find_or_install() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("HANDOVER_TEST_CHROMIUM") {
        return Ok(PathBuf::from(named));
    }
    if let Some(found) = find() {
        return Ok(found);
    }
    install_package("chromium", "Chromium, for the page tests")?;
    find().context("Chromium was installed but is not on the search path")
}

fn find() -> Option<PathBuf> {
    NAMES.iter().find_map(|name| which(name))
}
