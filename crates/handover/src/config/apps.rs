//! What must fit together in the section about apps.

use anyhow::bail;

use super::{AppsSection, Pages};

impl AppsSection {
    pub(super) fn check(&self, pages: &Pages) -> anyhow::Result<()> {
        if self.mtls_listen.is_some() != self.mtls_url.is_some() {
            bail!("apps.mtls_listen and apps.mtls_url go together");
        }
        if self.mtls_listen.is_some() && pages.tls_certificate.is_none() {
            bail!("apps.mtls_listen: needs pages.tls_certificate and pages.tls_key");
        }
        if let Some(url) = &self.mtls_url
            && !url.starts_with("https://")
        {
            bail!("apps.mtls_url: must begin with https://");
        }
        Ok(())
    }
}
