//! Tokens that are bound to a certificate (RFC 8705), over real mutual TLS; who fails too often; and
//! what a person takes back.

use std::net::SocketAddr;
use std::sync::Arc;

use http::StatusCode;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, ServerConfig, SignatureScheme};
use serde_json::{Value, json};
use store::testing::on_each_database;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use super::app::{app, get, node, post, public, query, tokens};
use super::systems::{Signer, asks, claims, system};
use crate::serve::{ShownCertificates, serve};
use crate::testing::Browser;

fn certificate() -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
    let made = params.self_signed(&key).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    (made.der().clone(), key)
}

/// The test's client believes any server.
#[derive(Debug)]
struct Any;

impl ServerCertVerifier for Any {
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
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// A client that shows that certificate, or none.
fn client(shown: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>) -> TlsConnector {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Any));
    let config = match shown {
        Some((certificate, key)) => config
            .with_client_auth_cert(vec![certificate], key)
            .unwrap(),
        None => config.with_no_client_auth(),
    };
    TlsConnector::from(Arc::new(config))
}

async fn send(client: &TlsConnector, to: SocketAddr, request: &str) -> std::io::Result<String> {
    let stream = TcpStream::connect(to).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = client.connect(name, stream).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    // The server may end without a farewell.
    let _ = stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8(answer).unwrap())
}

fn posted(body: &str) -> String {
    format!(
        "POST /oauth2/token HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn read_with(token: &str) -> String {
    format!(
        "GET /fhir/Patient/jane HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         authorization: Bearer {token}\r\n\r\n"
    )
}

#[test]
fn a_token_bound_to_a_certificate_is_good_on_its_connections_only() {
    on_each_database(async |ground| {
        let mut node = node(ground).await;
        let inner = Arc::get_mut(&mut node).unwrap();
        inner.oauth.mtls_url = Some("https://localhost:9".into());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let shown = ShownCertificates::new(provider.signature_verification_algorithms);
        let (own, key) = certificate();
        let tls = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_client_cert_verifier(Arc::new(shown))
            .with_single_cert(vec![own], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let router = crate::router::apps(node.clone());
        let serving = tokio::spawn(serve(
            listener,
            router,
            Some(Arc::new(tls)),
            crate::serve::Limits::of(64),
            stopped,
        ));

        let signer = Signer::new();
        let id = app(&node, system(&signer, "system/Patient.rs")).await;
        let header = json!({"alg": "RS384", "kid": "key-1"});
        let mut bearing = claims(&id, node.store.now(), "1");
        // The alias is an audience too.
        bearing["aud"] = json!("https://localhost:9/oauth2/token");
        let assertion = signer.signed(&header, &bearing);
        let holder = client(Some(certificate()));
        let body = query(&asks(&assertion, "system/Patient.rs"));
        let answer = send(&holder, at, &posted(&body)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let (_, told) = answer.split_once("\r\n\r\n").unwrap();
        let told: Value = serde_json::from_str(told).unwrap();
        assert_eq!(told["token_type"], "Bearer");
        let token = told["access_token"].as_str().unwrap();

        let answer = send(&holder, at, &read_with(token)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let other = client(Some(certificate()));
        let answer = send(&other, at, &read_with(token)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
        // On the listener without certificates a stolen one is worth nothing either.
        let (status, text) = get(&node, "/Patient/jane", token).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{text}");
        assert!(text.contains("bound to a certificate"), "{text}");
        // Without a certificate nobody gets a word in; and there are no pages here.
        assert!(send(&client(None), at, &read_with(token)).await.is_err());
        let page = "GET /login HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        let answer = send(&holder, at, page).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");

        let assertion = signer.signed(&header, &claims(&id, node.store.now(), "2"));
        let pairs = [
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ),
            ("client_assertion", assertion.as_str()),
            ("token", token),
        ];
        let (_, told) = post(&node, "/oauth2/introspect", &pairs, &[]).await;
        assert!(told["cnf"]["x5t#S256"].is_string(), "{told}");
        stop.send(true).unwrap();
        serving.await.unwrap();
        node.store.clone().close().await;
    });
}

#[test]
fn who_fails_too_often_at_the_token_endpoint_is_not_heard_for_a_while() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let client = app(&node, public("patient/*.rs")).await;
        let wrong = [
            ("grant_type", "client_credentials"),
            ("client_id", "nobody"),
        ];
        for _ in 0..100 {
            let (status, _) = post(&node, "/oauth2/token", &wrong, &[]).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED);
        }
        let known = [("client_id", client.as_str()), ("token", "x")];
        for (path, pairs) in [("/oauth2/token", wrong), ("/oauth2/revoke", known)] {
            let (status, told) = post(&node, path, &pairs, &[]).await;
            assert_eq!(
                (status, &told["error"]),
                (StatusCode::TOO_MANY_REQUESTS, &json!("slow_down"))
            );
        }
        // People sign in from that address as before.
        let mut browser = Browser::new(&node);
        browser.sign_in("/login", "jane").await;
        node.store.clone().close().await;
    });
}

#[test]
fn a_person_takes_back_what_they_allowed_an_app() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let client = app(&node, public("offline_access patient/*.rs")).await;
        let told = tokens(&node, &client, "offline_access patient/*.rs").await;
        let token = told["access_token"].as_str().unwrap();
        assert_eq!(get(&node, "/Patient/jane", token).await.0, StatusCode::OK);
        let mut browser = Browser::new(&node);
        browser.sign_in("/login", "jane").await;
        let page = browser.get("/profile/sessions").await;
        assert!(page.text.contains("Growth Chart"), "{}", page.text);
        let (_, rest) = page.text.split_once("name=\"grant\" value=\"").unwrap();
        let grant = rest.split('"').next().unwrap().to_string();
        // Another person cannot.
        let mut other = Browser::new(&node);
        other.sign_in("/login", "john").await;
        other
            .post("/profile/sessions/app/end", &[("grant", &grant)])
            .await;
        assert_eq!(get(&node, "/Patient/jane", token).await.0, StatusCode::OK);
        let done = browser
            .post("/profile/sessions/app/end", &[("grant", &grant)])
            .await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
        let page = browser.get(done.location()).await;
        assert!(!page.text.contains("name=\"grant\""), "{}", page.text);
        assert_eq!(
            get(&node, "/Patient/jane", token).await.0,
            StatusCode::UNAUTHORIZED
        );
        let pairs = [
            ("grant_type", "refresh_token"),
            ("client_id", client.as_str()),
            ("refresh_token", told["refresh_token"].as_str().unwrap()),
        ];
        let (status, _) = post(&node, "/oauth2/token", &pairs, &[]).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        node.store.clone().close().await;
    });
}
