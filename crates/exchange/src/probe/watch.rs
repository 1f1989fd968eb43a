//! A TLS handshake that is looked at: what was agreed on, and whether the certificate would have been believed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fhir::date::Millis;
use parking_lot::Mutex;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, ProtocolVersion, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::TlsConnector;

use super::{certificate, connected};

/// What a handshake showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenTls {
    /// `TLS 1.3`.
    pub version: String,
    /// Why the certificate is not believed, if it is not.
    pub distrusted: Option<String>,
    /// Until when the certificate is good, if that reads.
    pub until: Option<Millis>,
}

/// Makes a TLS connection and ends it again. `authorities` is PEM; without it the system's are believed.
///
/// # Errors
/// A sentence for the operator: there is no connection, or no TLS.
pub async fn look(
    host: &str,
    port: u16,
    authorities: Option<&[u8]>,
    seconds_max: u64,
) -> Result<SeenTls, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let roots = Arc::new(roots(authorities)?);
    let judge = WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).build();
    let judge = judge.map_err(|cause| format!("The authorities cannot be used: {cause}."))?;
    let watching = Arc::new(Watching {
        judge,
        seen: Mutex::default(),
    });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|cause| cause.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(watching.clone())
        .with_no_client_auth();
    let name =
        ServerName::try_from(host.to_owned()).map_err(|_| "The host's name does not read.")?;
    let connecting = async {
        let stream = connected(host, port).await?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream);
        let stream = stream.await.map_err(|cause| format!("No TLS: {cause}."))?;
        Ok::<_, String>(stream.get_ref().1.protocol_version())
    };
    let version = tokio::time::timeout(Duration::from_secs(seconds_max), connecting).await;
    let version = version.map_err(|_| format!("No TLS within {seconds_max} seconds."))??;
    let (distrusted, until) = watching.seen.lock().clone();
    Ok(SeenTls {
        version: match version {
            Some(ProtocolVersion::TLSv1_3) => "TLS 1.3".into(),
            Some(ProtocolVersion::TLSv1_2) => "TLS 1.2".into(),
            other => format!("{other:?}"),
        },
        distrusted,
        until,
    })
}

fn roots(authorities: Option<&[u8]>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|_| "The authorities do not read as PEM.")?;
                roots.add(certificate).map_err(|cause| cause.to_string())?;
            }
        }
        None => {
            for certificate in rustls_native_certs::load_native_certs().certs {
                // One that does not read is one less to be trusted.
                let _ = roots.add(certificate);
            }
        }
    }
    Ok(roots)
}

/// Lets every certificate pass, and remembers what would have been said of it: nothing is sent on such a connection.
struct Watching {
    judge: Arc<WebPkiServerVerifier>,
    seen: Mutex<(Option<String>, Option<Millis>)>,
}

impl fmt::Debug for Watching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watching")
    }
}

impl ServerCertVerifier for Watching {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged = self.judge.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        let distrusted = judged.err().map(|cause| reason(&cause));
        *self.seen.lock() = (distrusted, certificate::until(end_entity));
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.supported_verify_schemes()
    }
}

fn reason(cause: &Error) -> String {
    match cause {
        Error::InvalidCertificate(why) => match why {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "it has expired".into()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "it is not valid yet".into()
            }
            CertificateError::UnknownIssuer => "no known authority signed it".into(),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "it is for another host".into()
            }
            other => format!("{other:?}").chars().take(60).collect(),
        },
        other => other.to_string(),
    }
}
