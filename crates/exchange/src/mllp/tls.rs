//! TLS of the doors for HL7 v2 and of the systems that are told of changes: 1.2 or 1.3, since
//! integration engines are old; certificates of an authority that the settings name.

use std::path::Path;
use std::sync::Arc;

use fhir::problem::{Kind, Problem};
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::keys::read_private;

/// For a door: it shows the certificate; with authorities, a system must show one of theirs.
///
/// # Errors
/// `Invalid`; it names the file.
pub fn server(
    certificate: &Path,
    key: &Path,
    client_authorities: Option<&Path>,
) -> Result<Arc<ServerConfig>, Problem> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .map_err(|cause| unusable(certificate).because(cause))?;
    let builder = match client_authorities {
        None => builder.with_no_client_auth(),
        Some(path) => builder.with_client_cert_verifier(client_verifier(path)?),
    };
    let config = builder
        .with_single_cert(chain(certificate)?, key_of(key)?)
        .map_err(|cause| unusable(key).because(cause))?;
    Ok(Arc::new(config))
}

/// For any door to which systems must show a certificate of these authorities.
///
/// # Errors
/// `Invalid`; it names the file.
pub fn client_verifier(authorities: &Path) -> Result<Arc<dyn ClientCertVerifier>, Problem> {
    let roots = Arc::new(roots(authorities)?);
    WebPkiClientVerifier::builder_with_provider(roots, provider())
        .build()
        .map_err(|cause| unusable(authorities).because(cause))
}

/// For a system that is told: it must show a certificate of these authorities; ours is shown to it if
/// it asks.
///
/// # Errors
/// `Invalid`; it names the file.
pub fn client(
    authorities: &Path,
    own: Option<(&Path, &Path)>,
) -> Result<Arc<ClientConfig>, Problem> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .map_err(|cause| unusable(authorities).because(cause))?
        .with_root_certificates(roots(authorities)?);
    let config = match own {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => builder
            .with_client_auth_cert(chain(certificate)?, key_of(key)?)
            .map_err(|cause| unusable(key).because(cause))?,
    };
    Ok(Arc::new(config))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn roots(path: &Path) -> Result<RootCertStore, Problem> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(path)? {
        roots
            .add(certificate)
            .map_err(|cause| unusable(path).because(cause))?;
    }
    Ok(roots)
}

/// The certificates of a PEM file; there must be one.
fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|cause| unusable(path).because(cause))?;
    match certificates.is_empty() {
        true => Err(unusable(path)),
        false => Ok(certificates),
    }
}

/// The private key of a PEM file that only the node's user may read.
fn key_of(path: &Path) -> Result<PrivateKeyDer<'static>, Problem> {
    let pem = read_private(path)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|cause| unusable(path).because(cause))
}

fn unusable(path: &Path) -> Problem {
    let message = format!(
        "{} cannot be used: it must be a PEM file of what the setting asks for, and a certificate and \
         its key must go together",
        path.display()
    );
    Problem::new(Kind::Invalid, message)
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use store::Store;
    use store::testing::on_each_database;
    use tokio::net::TcpListener;
    use tokio::sync::watch;

    use super::*;
    use crate::mllp::{Door, Sender, Settings, serve};

    struct Files(tempfile::TempDir);

    impl Files {
        fn put(&self, name: &str, text: &str) -> std::path::PathBuf {
            use std::os::unix::fs::PermissionsExt as _;
            let path = self.0.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            path
        }

        /// An authority, and a certificate and key of it for this machine.
        fn authority(&self, name: &str) -> [std::path::PathBuf; 3] {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap());
            let authority = authority.unwrap();
            let key = KeyPair::generate().unwrap();
            let own = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            let own = own.signed_by(&key, &authority).unwrap();
            [
                self.put(&format!("{name}-ca.pem"), &authority.pem()),
                self.put(&format!("{name}.crt"), &own.pem()),
                self.put(&format!("{name}.key"), &key.serialize_pem()),
            ]
        }
    }

    const MESSAGE: &[u8] = b"MSH|^~\\&|PAS|RXX01|H|H|2024||ADT^A28|1|P|2.4\rPID|1||7^^^RXX01^MR\r";

    async fn sent(address: &str, tls: &Arc<ClientConfig>) -> Result<String, Problem> {
        let mut sender = Sender::to(address, Some(tls)).await?;
        let answer = sender.send(MESSAGE).await?;
        Ok(String::from_utf8(answer).unwrap())
    }

    #[test]
    fn only_a_system_with_a_certificate_of_the_authority_gets_in() {
        on_each_database(async |ground| {
            let store: Store = ground.open().await;
            let files = Files(tempfile::tempdir().unwrap());
            let [door_ca, door, door_key] = files.authority("door");
            let [ca, own, own_key] = files.authority("pas");
            let [_, other, other_key] = files.authority("other");
            let tls = server(&door, &door_key, Some(&ca)).unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let (stop, stopping) = watch::channel(false);
            let at = Arc::new(Door::new(store.clone(), Arc::default()));
            let serving = serve(listener, Some(tls), at, Settings::default(), stopping);
            let serving = tokio::spawn(serving);
            let address = format!("localhost:{port}");
            let ours = client(&door_ca, Some((&own, &own_key))).unwrap();
            let answer = sent(&address, &ours).await.unwrap();
            assert!(answer.contains("MSA|AA|1"), "{answer}");
            let stranger = client(&door_ca, Some((&other, &other_key))).unwrap();
            assert!(sent(&address, &stranger).await.is_err());
            let nobody = client(&door_ca, None).unwrap();
            assert!(sent(&address, &nobody).await.is_err());
            // And the door must prove who it is.
            let misled = client(&ca, Some((&own, &own_key))).unwrap();
            assert!(sent(&address, &misled).await.is_err());
            assert!(
                Sender::to(&address, None)
                    .await
                    .unwrap()
                    .send(MESSAGE)
                    .await
                    .is_err()
            );
            let _ = stop.send(true);
            serving.await.unwrap();
            store.close().await;
        });
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named() {
        let files = Files(tempfile::tempdir().unwrap());
        let [_, certificate, key] = files.authority("door");
        let [_, _, other_key] = files.authority("other");
        let empty = files.put("empty.pem", "");
        for (problem, name) in [
            (server(&empty, &key, None).unwrap_err(), "empty.pem"),
            (
                server(&certificate, &key, Some(&empty)).unwrap_err(),
                "empty.pem",
            ),
            (
                server(&certificate, &other_key, None).unwrap_err(),
                "other.key",
            ),
            (client(&empty, None).unwrap_err(), "empty.pem"),
        ] {
            assert!(problem.message.contains(name), "{problem}");
        }
    }
}
