//! Mutual TLS between nodes, with certificates pinned by the directory.
//!
//! TLS 1.3 only. What a certificate says of itself (names, dates, issuer, use) proves nothing here:
//! it is believed if the directory lists its digest, now, for the organisation that is meant.

use std::fmt;
use std::sync::Arc;

use access::Ods;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use store::Clock;

use crate::directory::Book;
use crate::keys::{Identity, sha256_hex};

/// Who may be at the other end.
#[derive(Clone, Debug)]
enum Expected {
    AnyMember,
    Only(Ods),
    /// Whom the directory in force lists, though it may have ended: for asking that member for a newer one. That one proves
    /// itself by its signatures; a thief of an old key could at most hand it over, or say that there is none.
    Keeper(Ods),
}

/// Believes what the directory lists.
struct Pinned {
    book: Arc<Book>,
    expected: Expected,
    algorithms: WebPkiSupportedAlgorithms,
}

impl fmt::Debug for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pinned")
            .field("expected", &self.expected)
            .finish_non_exhaustive()
    }
}

impl Pinned {
    fn check(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let refused = Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure);
        if !intermediates.is_empty() {
            return Err(refused);
        }
        let now = Millis::try_from(now.as_secs())
            .unwrap_or(Millis::MAX)
            .saturating_mul(1000);
        let digest = sha256_hex(certificate);
        let owner = match &self.expected {
            Expected::AnyMember | Expected::Only(_) => self.book.owner(&digest, now),
            Expected::Keeper(_) => self.book.last_owner(&digest, now),
        };
        let owner = owner.ok_or(refused.clone())?;
        match &self.expected {
            Expected::AnyMember => Ok(()),
            Expected::Only(ods) | Expected::Keeper(ods) if ods.as_str() == owner.ods => Ok(()),
            Expected::Only(_) | Expected::Keeper(_) => Err(refused),
        }
    }

    fn signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn no_tls12() -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("only TLS 1.3 is spoken here".into()))
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity, intermediates, now)
            .map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Pinned::no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Pinned {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(end_entity, intermediates, now)
            .map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Pinned::no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Shows the certificate that is this node's now.
struct Own(Arc<Identity>);

impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Own")
    }
}

impl ResolvesServerCert for Own {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.tls())
    }
}

impl ResolvesClientCert for Own {
    fn resolve(
        &self,
        _root_hint_subjects: &[&[u8]],
        _schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        Some(self.0.tls())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// The node's one clock, as TLS asks for it.
#[derive(Debug)]
struct NodeTime(Clock);

impl TimeProvider for NodeTime {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now() / 1000).ok()?;
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(
            seconds,
        )))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// For the listener: takes a connection only from a certificate that the directory lists.
///
/// # Errors
/// `Invalid` if certificate and key do not belong together.
pub fn server(
    identity: &Arc<Identity>,
    book: Arc<Book>,
    clock: Clock,
) -> Result<ServerConfig, Problem> {
    let provider = provider();
    let algorithms = provider.signature_verification_algorithms;
    let verifier = Arc::new(Pinned {
        book,
        expected: Expected::AnyMember,
        algorithms,
    });
    let mut config = ServerConfig::builder_with_details(provider, Arc::new(NodeTime(clock)))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(unusable)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(Own(identity.clone())));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// For calling `peer`: believes only a certificate that the directory lists as theirs.
///
/// # Errors
/// As `server`.
pub fn client(
    identity: &Arc<Identity>,
    book: Arc<Book>,
    clock: Clock,
    peer: &Ods,
) -> Result<ClientConfig, Problem> {
    calling(identity, book, clock, Expected::Only(peer.clone()))
}

/// For asking `peer` for a newer directory and for nothing else: as `client`, also once the present one has ended.
///
/// # Errors
/// As `server`.
pub(crate) fn for_directory(
    identity: &Arc<Identity>,
    book: Arc<Book>,
    clock: Clock,
    peer: &Ods,
) -> Result<ClientConfig, Problem> {
    calling(identity, book, clock, Expected::Keeper(peer.clone()))
}

fn calling(
    identity: &Arc<Identity>,
    book: Arc<Book>,
    clock: Clock,
    expected: Expected,
) -> Result<ClientConfig, Problem> {
    let provider = provider();
    let algorithms = provider.signature_verification_algorithms;
    let verifier = Arc::new(Pinned {
        book,
        expected,
        algorithms,
    });
    let mut config = ClientConfig::builder_with_details(provider, Arc::new(NodeTime(clock)))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(unusable)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(Arc::new(Own(identity.clone())));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn unusable(cause: Error) -> Problem {
    Problem::new(Kind::Invalid, "The TLS certificate and key cannot be used.").because(cause)
}
