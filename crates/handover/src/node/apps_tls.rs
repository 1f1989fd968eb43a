//! TLS of the listener for apps and systems that show a certificate.

use std::sync::Arc;

use anyhow::Context;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use web::serve::ShownCertificates;

use crate::config::Config;

/// With the certificate and key of the pages; TLS 1.3 only.
///
/// # Errors
/// Names the setting.
pub(super) fn apps_tls(config: &Config) -> anyhow::Result<Option<Arc<ServerConfig>>> {
    let pages = &config.pages;
    let (Some(certificate), Some(key)) = (&pages.tls_certificate, &pages.tls_key) else {
        return Ok(None);
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .with_context(|| format!("pages.tls_certificate: {}", certificate.display()))?;
    let key = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("pages.tls_key: {}", key.display()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let shown = ShownCertificates::new(provider.signature_verification_algorithms);
    let tls = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(shown))
        .with_single_cert(chain, key)
        .context("pages.tls_certificate and pages.tls_key do not go together")?;
    Ok(Some(Arc::new(tls)))
}
