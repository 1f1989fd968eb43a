//! A node, an app that others wrote badly or well, and what it knows.

use std::sync::Arc;

use access::oauth::access_token_hash;
use axum::body::Body;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Request, StatusCode};
use serde_json::Value;
use store::testing::Ground;
use tower::ServiceExt;

use crate::node::Node;
use crate::oauth::{Registration, approve};
use crate::testing::Browser;

pub const BACK: &str = "https://app.example/back";
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub const FHIR: &str = "http://127.0.0.1:8080/fhir";

/// The node of `testing::node`, with two people's records.
pub async fn node(ground: &Ground) -> Arc<Node> {
    let node = crate::testing::node(ground).await;
    let mut changes = Vec::new();
    let person = |id: &str, number: &str| {
        format!(
            r#"{{"resourceType":"Patient","id":"{id}","identifier":[{{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"{number}"}}],"name":[{{"family":"Example"}}]}}"#
        )
    };
    let observation = |id: &str, patient: &str, category: &str| {
        format!(
            r#"{{"resourceType":"Observation","id":"{id}","status":"final","category":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"{category}"}}]}}],"code":{{"text":"x"}},"subject":{{"reference":"Patient/{patient}"}}}}"#
        )
    };
    for (id, text) in [
        ("jane", person("jane", "9434765919")),
        ("john", person("john", "9990000018")),
        ("lab", observation("lab", "jane", "laboratory")),
        ("vital", observation("vital", "jane", "vital-signs")),
        ("johns", observation("johns", "john", "laboratory")),
    ] {
        let json = fhir::json::parse(text.as_bytes(), &fhir::json::Limits::default()).unwrap();
        let organisation = node.site.organisation.clone();
        changes.push(store::Change::Put {
            resource: store::Prepared::new(&json, id, &organisation).unwrap(),
            expect: store::Expect::Anything,
            release: store::Release::At(0),
        });
    }
    let job = store::Job {
        changes,
        ..store::Job::default()
    };
    let scope = access::Scope::system(access::SystemPurpose::Measure);
    node.store.commit(&scope, job).await.unwrap();
    node
}

/// An approved app with these scopes; its client id.
pub async fn app(node: &Node, registration: Registration) -> String {
    let (client, _) = registration.client(&node.oauth, node.store.now()).unwrap();
    let put = store::oauth::OauthWrite::PutClient(Box::new(client.clone()));
    node.store.write_oauth(put).await.unwrap();
    approve(&node.store, &client.id, "Ed").await.unwrap();
    client.id
}

pub fn public(scope: &str) -> Registration {
    Registration {
        client_name: "Growth Chart".into(),
        redirect_uris: vec![BACK.into()],
        token_endpoint_auth_method: Some("none".into()),
        scope: scope.into(),
        initiate_login_uri: Some("https://app.example/launch".into()),
        ..Registration::default()
    }
}

pub fn query(pairs: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    query.finish()
}

/// A parameter of an address.
pub fn parameter(address: &str, name: &str) -> Option<String> {
    let (_, query) = address.split_once('?')?;
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let found = pairs.find(|(known, _)| known == name);
    found.map(|(_, value)| value.into_owned())
}

/// The request that a well-made app begins with, and what is different in this one.
pub fn asks<'a>(client: &'a str, scope: &'a str, other: &[(&'a str, &'a str)]) -> String {
    let mut pairs = vec![
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", BACK),
        ("scope", scope),
        ("state", "s-1"),
        ("aud", FHIR),
        ("nonce", "n-1"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    for (name, value) in other {
        pairs.retain(|(known, _)| known != name);
        if !value.is_empty() {
            pairs.push((name, value));
        }
    }
    format!("/oauth2/authorize?{}", query(&pairs))
}

/// Jane signs in and answers; the address that her browser is sent to.
pub async fn answered(node: &Arc<Node>, address: &str, answer: &str) -> String {
    let mut browser = Browser::new(node);
    browser.sign_in("/login", "jane").await;
    let page = browser.get(address).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    let page = page.location().to_string();
    if page.starts_with(BACK) {
        return page;
    }
    let shown = browser.get(&page).await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.text);
    let done = browser.post(&page, &[("answer", answer)]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    done.location().to_string()
}

/// Posts a form to an endpoint.
pub async fn post(
    node: &Arc<Node>,
    path: &str,
    pairs: &[(&str, &str)],
    headers: &[(&str, &str)],
) -> (StatusCode, Value) {
    let mut request = Request::post(path).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(query(pairs))).unwrap();
    let response = crate::router(node.clone()).oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await;
    let json = serde_json::from_slice(&bytes.unwrap()).unwrap();
    (status, json)
}

/// The pairs that turn a code into tokens.
pub fn redeems<'a>(client: &'a str, code: &'a str) -> [(&'a str, &'a str); 5] {
    [
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("code", code),
        ("redirect_uri", BACK),
        ("code_verifier", VERIFIER),
    ]
}

/// Jane allows the app; its tokens.
pub async fn tokens(node: &Arc<Node>, client: &str, scope: &str) -> Value {
    let back = answered(node, &asks(client, scope, &[]), "allow").await;
    let code = parameter(&back, "code").unwrap();
    let (status, told) = post(node, "/oauth2/token", &redeems(client, &code), &[]).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    told
}

/// Asks the FHIR door.
pub async fn fhir(
    node: &Arc<Node>,
    (method, path): (&str, &str),
    token: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (StatusCode, HeaderMap, String) {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("/fhir{path}"))
        .header(CONTENT_TYPE, "application/fhir+json");
    if !headers.iter().any(|(name, _)| *name == "authorization") {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(body.to_string())).unwrap();
    let response = crate::router(node.clone()).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, 1 << 24).await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    (parts.status, parts.headers, text)
}

pub async fn get(node: &Arc<Node>, path: &str, token: &str) -> (StatusCode, String) {
    let (status, _, text) = fhir(node, ("GET", path), token, &[], "").await;
    (status, text)
}

pub fn hash(token: &str) -> String {
    access_token_hash(token)
}
