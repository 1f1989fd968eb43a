//! TLS of the listeners for people, and for apps and systems that show a certificate. Both serve with the
//! certificate and key of the pages.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use exchange::keys::read_private;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use web::serve::ShownCertificates;

use crate::config::Config;

pub(super) type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// For the pages, where certificate and key are set.
///
/// # Errors
/// Names the setting.
pub(super) fn pages(config: &Config) -> anyhow::Result<Option<Arc<ServerConfig>>> {
    let Some((chain, key)) = pair(config)? else {
        return Ok(None);
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(config.pages.tls_oldest.versions())?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context(APART)?;
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(Arc::new(tls)))
}

/// For apps and systems; TLS 1.3 only.
///
/// # Errors
/// Names the setting.
pub(super) fn apps(config: &Config) -> anyhow::Result<Option<Arc<ServerConfig>>> {
    let Some((chain, key)) = pair(config)? else {
        return Ok(None);
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let shown = ShownCertificates::new(provider.signature_verification_algorithms);
    let tls = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(shown))
        .with_single_cert(chain, key)
        .context(APART)?;
    Ok(Some(Arc::new(tls)))
}

const APART: &str = "pages.tls_certificate and pages.tls_key do not go together";

/// The certificate chain and its key, which only the node's user may read.
pub(super) fn pair(config: &Config) -> anyhow::Result<Option<Pair>> {
    let (Some(certificate), Some(key)) = (&config.pages.tls_certificate, &config.pages.tls_key)
    else {
        return Ok(None);
    };
    read_pair("pages", certificate, key).map(Some)
}

/// A pair from the files that a section names.
///
/// # Errors
/// Names the setting.
pub(super) fn read_pair(section: &str, certificate: &Path, key: &Path) -> anyhow::Result<Pair> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .with_context(|| format!("{section}.tls_certificate: {}", certificate.display()))?;
    let named = || format!("{section}.tls_key: {}", key.display());
    let pem = read_private(key).with_context(named)?;
    let key = PrivateKeyDer::from_pem_slice(&pem).with_context(named)?;
    Ok((chain, key))
}
