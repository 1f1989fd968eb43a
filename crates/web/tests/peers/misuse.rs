//! L05 of the adversaries, and requests that are not as the protocol asks.

use std::sync::Arc;
use std::time::Duration;

use access::Ods;
use rustls::ClientConfig;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::pair::Pair;

#[derive(Debug)]
struct NoCertificate;

impl ResolvesClientCert for NoCertificate {
    fn resolve(
        &self,
        _hints: &[&[u8]],
        _schemes: &[rustls::SignatureScheme],
    ) -> Option<Arc<rustls::sign::CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// TLS as a member would speak it, with that identity.
fn config(pair: &Pair, identity: &Arc<exchange::Identity>) -> ClientConfig {
    let clock = pair.hospital.store().clock().clone();
    let practice = Ods::parse("A81001").unwrap();
    exchange::tls::client(identity, pair.hospital.book().clone(), clock, &practice).unwrap()
}

/// Sends a request as it stands; the answer's text, or why there is none.
async fn ask(pair: &Pair, config: ClientConfig, request: &[u8]) -> std::io::Result<String> {
    let tcp = TcpStream::connect(pair.address).await?;
    let name = ServerName::try_from("practice.invalid").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await?;
    stream.write_all(request).await?;
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    tokio::time::timeout(Duration::from_secs(10), read).await??;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn request(method: &str, path: &str, more: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: practice\r\nconnection: close\r\n{more}\
         content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn good() -> Vec<u8> {
    request("POST", "/exchange/v1/receipts", "", "{}")
}

#[tokio::test(flavor = "multi_thread")]
async fn l05_without_a_certificate_of_the_directory_no_request_is_heard() {
    let pair = Pair::open().await;
    let mut none = config(&pair, &pair.identity);
    none.client_auth_cert_resolver = Arc::new(NoCertificate);
    assert!(ask(&pair, none, &good()).await.is_err(), "no certificate");
    let stranger = config(&pair, &pair.stranger);
    assert!(
        ask(&pair, stranger, &good()).await.is_err(),
        "one that the directory does not name"
    );
    let heard = ask(&pair, config(&pair, &pair.identity), &good())
        .await
        .unwrap();
    assert!(heard.starts_with("HTTP/1.1 400"), "{heard}");
}

#[tokio::test(flavor = "multi_thread")]
async fn l05_older_tls_and_what_is_no_tls_are_refused_and_do_no_harm() {
    let pair = Pair::open().await;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let old = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let refused = ask(&pair, old, &good()).await.unwrap_err();
    assert!(refused.to_string().contains("ProtocolVersion"), "{refused}");
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0u8; 4096],
        &[0x16, 3, 1, 255, 255, 1],
    ] {
        let mut tcp = TcpStream::connect(pair.address).await.unwrap();
        tcp.write_all(garbage).await.unwrap();
        let _ = tcp.shutdown().await;
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(5), tcp.read_to_end(&mut answer)).await;
        assert!(!answer.starts_with(b"HTTP"));
    }
    let heard = ask(&pair, config(&pair, &pair.identity), &good())
        .await
        .unwrap();
    assert!(heard.starts_with("HTTP/1.1 400"), "{heard}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_struck_off_the_directory_is_out_at_once() {
    let mut pair = Pair::open().await;
    let tcp = TcpStream::connect(pair.address).await.unwrap();
    let name = ServerName::try_from("practice.invalid").unwrap();
    let config = Arc::new(config(&pair, &pair.identity));
    let mut stream = TlsConnector::from(config).connect(name, tcp).await.unwrap();
    stream.flush().await.unwrap();
    // The connection stands; then the steward strikes its owner off.
    let first = b"POST /exchange/v1/receipts HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}";
    stream.write_all(first).await.unwrap();
    let mut answer = [0u8; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 400");
    pair.directory.version = 2;
    pair.directory.members.remove(0);
    let text = pair.directory.sign(&pair.steward).unwrap();
    pair.practice
        .book()
        .reload(&text, pair.practice.store().now())
        .unwrap();
    stream.write_all(&good()).await.unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    let rest = String::from_utf8_lossy(&rest);
    assert!(rest.contains("HTTP/1.1 403"), "{rest}");
    assert!(rest.contains("\"code\":\"security\""), "{rest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_of_the_protocol_is_refused_with_a_sentence() {
    let pair = Pair::open().await;
    let digest = "0".repeat(64);
    let content = format!("/exchange/v1/content/{digest}");
    let deep = "[".repeat(100_000);
    for (method, path, more, body, status) in [
        ("GET", "/", "", "", "404"),
        ("GET", "/exchange/v2/parcels", "", "", "404"),
        ("GET", "/exchange/v1/parcels", "", "", "405"),
        ("POST", "/exchange/v1/parcels", "", "", "400"),
        (
            "POST",
            "/exchange/v1/parcels",
            "",
            "{\"manifest\":\"a.b.c\",\"contents\":[]}",
            "403",
        ),
        (
            "POST",
            "/exchange/v1/parcels",
            "",
            "{\"manifest\":1,\"manifest\":2}",
            "400",
        ),
        ("POST", "/exchange/v1/parcels", "", deep.as_str(), "400"),
        (
            "POST",
            "/exchange/v1/receipts",
            "",
            "{\"receipts\":\"\"}",
            "403",
        ),
        ("PUT", content.as_str(), "", "abc", "400"),
        (
            "PUT",
            content.as_str(),
            "upload-offset: 0\r\n",
            "abc",
            "404",
        ),
        (
            "PUT",
            "/exchange/v1/content/%2e%2e",
            "upload-offset: 0\r\n",
            "abc",
            "404",
        ),
    ] {
        let request = request(method, path, more, body);
        let answer = ask(&pair, config(&pair, &pair.identity), &request)
            .await
            .unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{method} {path}: {answer}"
        );
        assert!(
            answer.contains("\"message\":\""),
            "{method} {path}: {answer}"
        );
    }
    let large = "x".repeat(9 << 20);
    let request = request("POST", "/exchange/v1/parcels", "", &large);
    let refused = ask(&pair, config(&pair, &pair.identity), &request).await;
    // The door may hang up before the whole has been sent.
    assert!(
        refused
            .map(|it| it.starts_with("HTTP/1.1 413"))
            .unwrap_or(true)
    );
    assert_eq!(pair.unmatched().await, 0);
}
