//! MESH is spoken to over mutual TLS only; here to the stand-in, with certificates made by `openssl`.

use std::path::{Path, PathBuf};

use exchange::mesh::{Credentials, Mesh, tls};
use store::Clock;

use crate::certificate::certificate;

use super::stand_in::{MAILBOX, PASSWORD, SHARED_KEY, StandIn};

#[test]
fn a_mailbox_is_opened_over_mutual_tls_only() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let authority = certificate(folder, "authority", None);
    let stranger = certificate(folder, "stranger", None);
    let server = certificate(folder, "server", Some(&authority));
    let client = certificate(folder, "client", Some(&authority));
    let forged = certificate(folder, "forged", Some(&stranger));
    let mesh = StandIn::over_mutual_tls(folder, &server, &authority[0]);
    let read = |path: &Path| std::fs::read(path).unwrap();
    let opened = |authority: &[PathBuf; 2], client: Option<&[PathBuf; 2]>| {
        let authorities = read(&authority[0]);
        let client = client.map(|[chain, key]| (read(chain), read(key)));
        let tls = tls::client(tls::Pem {
            authorities: Some(&authorities),
            client: client.as_ref().map(|(chain, key)| (&chain[..], &key[..])),
        });
        let credentials = Credentials::new(MAILBOX, PASSWORD, SHARED_KEY).unwrap();
        let mesh = Mesh::new(&mesh.url(), tls.unwrap(), credentials, Clock::system()).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(mesh.handshake())
    };
    opened(&authority, Some(&client)).unwrap();
    for (authority, client) in [
        (&authority, None),
        (&authority, Some(&forged)),
        (&stranger, Some(&client)),
    ] {
        let refused = opened(authority, client).unwrap_err();
        assert!(
            refused.message.starts_with("MESH was asked. The c"),
            "{}",
            refused.message
        );
    }
}
