//! L02: connections that are open and say nothing, held by a real node while others are served.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{GET, certificate, start, with_tls};
use crate::node::neighbourhood::Neighbourhood;

const CONNECTIONS: usize = 1500;
/// Each is allowed 100 kB, as 5,000 within 500 MB; a debug build's stacks and tables are the rest.
const KILOBYTES_A_CONNECTION: u64 = 100;

#[test]
fn l02_a_node_that_holds_many_idle_connections_serves_others_in_bounded_memory() {
    let mut nodes = Neighbourhood::set_up(None);
    let site = &mut nodes.practice;
    certificate(&site.folder, "pages", "extendedKeyUsage=serverAuth");
    with_tls(site, "");
    start(site);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let to = site.pages;
    let process = site.process.id();
    let before = kilobytes(process);
    let held = runtime.block_on(async {
        let mut held = Vec::new();
        for number in 0..CONNECTIONS {
            let mut stream = open(to).await;
            // Some have asked something before they fell silent.
            if number % 10 == 0 {
                assert!(ask(&mut stream).await.starts_with("HTTP/1.1 200 "));
            }
            held.push(stream);
        }
        let mut other = open(to).await;
        assert!(ask(&mut other).await.starts_with("HTTP/1.1 200 "));
        held
    });
    let more = kilobytes(process).saturating_sub(before);
    println!("{more} kB for {CONNECTIONS} connections");
    assert!(
        more < KILOBYTES_A_CONNECTION * CONNECTIONS as u64,
        "{more} kB"
    );
    // They were held all the time: the first of them is still heard.
    runtime.block_on(async {
        let mut held = held;
        for stream in [0, CONNECTIONS / 2, CONNECTIONS - 1] {
            assert!(ask(&mut held[stream]).await.starts_with("HTTP/1.1 200 "));
        }
    });
    assert!(!site.process.log().contains("panicked"));
}

async fn open(to: SocketAddr) -> TlsStream<TcpStream> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        .with_no_client_auth();
    let tcp = TcpStream::connect(to).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, tcp);
    let limit = Duration::from_secs(20);
    tokio::time::timeout(limit, connecting)
        .await
        .unwrap()
        .unwrap()
}

/// Asks for a page's head on a connection that stays open; the answer.
async fn ask(stream: &mut TlsStream<TcpStream>) -> String {
    let request = GET
        .replace("GET ", "HEAD ")
        .replace("connection: close\r\n", "");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut told = String::new();
    let mut bytes = [0; 16 * 1024];
    while !told.ends_with("\r\n\r\n") {
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut bytes));
        let count = read.await.unwrap().unwrap();
        assert!(count > 0, "ended after {told}");
        told.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    told
}

/// What the process holds now, as Linux tells it.
fn kilobytes(process: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Whose certificate it is does not matter here.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
