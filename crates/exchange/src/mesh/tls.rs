//! Mutual TLS to MESH: whom the node believes, and the certificate that it shows.

use std::sync::Arc;

use fhir::problem::{Kind, Problem};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// What TLS to MESH needs, as PEM.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pem<'p> {
    /// Certificate authorities that are believed; those of the system if none are given.
    pub authorities: Option<&'p [u8]>,
    /// The client's certificate, with what leads to its root, and its private key.
    pub client: Option<(&'p [u8], &'p [u8])>,
}

/// # Errors
/// `Invalid` if something does not read, or certificate and key do not belong together.
pub fn client(pem: Pem<'_>) -> Result<Arc<ClientConfig>, Problem> {
    let mut roots = RootCertStore::empty();
    match pem.authorities {
        Some(pem) => {
            for certificate in certificates(pem)? {
                roots.add(certificate).map_err(unusable)?;
            }
        }
        None => {
            for certificate in rustls_native_certs::load_native_certs().certs {
                // One that does not read is one less to be trusted.
                let _ = roots.add(certificate);
            }
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_root_certificates(roots);
    let config = match pem.client {
        Some((chain, key)) => {
            let key = PrivateKeyDer::from_pem_slice(key).map_err(|cause| {
                Problem::new(Kind::Invalid, "The private key does not read.").because(cause)
            })?;
            let chain = certificates(chain)?;
            config.with_client_auth_cert(chain, key).map_err(unusable)?
        }
        None => config.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(read) if !read.is_empty() => Ok(read),
        _ => Err(Problem::new(
            Kind::Invalid,
            "There is no certificate in PEM.",
        )),
    }
}

fn unusable(cause: rustls::Error) -> Problem {
    let message = "The certificates and the key for MESH cannot be used.";
    Problem::new(Kind::Invalid, message).because(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_goes_with_its_key_and_with_no_other() {
        let made = || {
            let key = rcgen::KeyPair::generate().unwrap();
            let params = rcgen::CertificateParams::new(vec!["mesh.example".into()]).unwrap();
            let certificate = params.self_signed(&key).unwrap();
            (certificate.pem(), key.serialize_pem())
        };
        let ((chain, key), (_, other)) = (made(), made());
        let with = |key: &str| {
            client(Pem {
                authorities: Some(chain.as_bytes()),
                client: Some((chain.as_bytes(), key.as_bytes())),
            })
        };
        assert!(with(&key).is_ok());
        assert!(with(&other).is_err());
        assert!(with("nothing").is_err());
        let none = Pem {
            authorities: Some(b"nothing"),
            client: None,
        };
        assert!(client(none).is_err());
    }
}
