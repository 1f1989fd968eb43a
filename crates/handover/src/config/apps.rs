//! The section about apps and systems of others.

use std::net::SocketAddr;

use anyhow::bail;

use super::Pages;
use super::section::section;

section! {
    /// Apps and systems of others that use the FHIR door with tokens (SMART App Launch).
    AppsSection in "apps" {
        /// Whether anybody may register an app over HTTP. It does nothing until a person approves it.
        registration_open: bool = "false", default;
        /// Whether an app may have a shared secret. A key of its own (private_key_jwt) is better.
        secrets_allowed: bool = "false", default;
        /// Where it listens with mutual TLS. Tokens fetched there are bound to the certificate that the app showed (RFC 8705). It needs pages.tls_certificate.
        mtls_listen: Option<SocketAddr> = "\"127.0.0.1:8444\"", optional;
        /// The address that apps use for it.
        mtls_url: Option<String> = "\"https://127.0.0.1:8444\"", optional;
    }
}

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
