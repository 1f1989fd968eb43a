//! The client of a GP system behind the NHS's gateway, against a stand-in of the gateway: it lets a patient in by a token that
//! an ID token was changed for, and tells them of nobody else.

use std::sync::Arc;

use access::Ods;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use exchange::access_token::SignedIn;
use exchange::gp_connect::gateway::Gateway;
use exchange::gp_connect::medicines::{Holder, InName, Order, identifier};
use exchange::gp_connect::system::No;
use exchange::jwt::{ClientKey, IdentityKey, Jwks};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use store::Clock;

use super::tokens::TokenService;

const JANE: &str = "9434765919";
const TOM: &str = "9990000018";

/// An ID token, as far as the stand-in looks at it: whose it is.
fn id_token(number: &str) -> String {
    format!("id-token-of-{number}")
}

/// Whether the token is that patient's.
fn is_theirs(tokens: &TokenService, headers: &HeaderMap, number: &str) -> Result<(), StatusCode> {
    match tokens.given_for(headers) {
        None => Err(StatusCode::UNAUTHORIZED),
        Some(subject) if subject == id_token(number) => Ok(()),
        Some(_) => Err(StatusCode::FORBIDDEN),
    }
}

async fn token(State(tokens): State<Arc<TokenService>>, body: Bytes) -> Response {
    tokens.token(&body)
}

async fn statements(
    State(tokens): State<Arc<TokenService>>,
    Path(number): Path<String>,
    headers: HeaderMap,
) -> Response {
    if let Err(status) = is_theirs(&tokens, &headers, &number) {
        return status.into_response();
    }
    let request = json!({ "resourceType": "MedicationRequest", "id": "m1" });
    let bundle = json!({ "resourceType": "Bundle", "entry": [{ "resource": request }] });
    bundle.to_string().into_response()
}

async fn place(
    State(tokens): State<Arc<TokenService>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut task: Value = serde_json::from_slice(&body).unwrap();
    let number = task["for"]["identifier"]["value"]
        .as_str()
        .unwrap()
        .to_owned();
    if let Err(status) = is_theirs(&tokens, &headers, &number) {
        return status.into_response();
    }
    task["id"] = json!("t1");
    (StatusCode::CREATED, task.to_string()).into_response()
}

#[tokio::test]
async fn the_gateway_is_asked_with_the_token_of_the_patient_who_signed_in_and_for_nobody_else() {
    let key = ClientKey::generate("anytown-1").unwrap();
    let tokens = Arc::new(TokenService::new(Jwks(vec![key.public()]), Clock::system()));
    let router = Router::new()
        .route("/oauth2/token", post(token))
        .route(
            "/FHIR/R4/Patient/{number}/MedicationStatement",
            get(statements),
        )
        .route("/FHIR/R4/Task", post(place))
        .with_state(tokens.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let sign_in = SignedIn {
        token_url: format!("{base}/oauth2/token"),
        client: "anytown".into(),
        key,
    };
    let own = Ods::parse("A81001").unwrap();
    let holder = Holder::new(
        &format!("{base}/FHIR/R4"),
        "200000000009",
        ("https://practice.example", &own),
        IdentityKey::generate().unwrap(),
    );
    let holder = holder.unwrap().behind(Gateway::new(sign_in).unwrap());
    let now = Clock::system().now();
    let name = |nhs_number, now| InName {
        nhs_number,
        person: "Somebody",
        now,
    };
    let unknown = holder.requests(name(JANE, now)).await.unwrap_err();
    assert!(unknown.words().contains("NHS login"), "{}", unknown.words());
    holder.signed_in(JANE, &id_token(JANE), (now + 3_600_000, now));
    for _ in 0..2 {
        let requests = holder.requests(name(JANE, now)).await.unwrap();
        assert_eq!(requests[0]["id"], "m1");
    }
    assert_eq!(tokens.count(), 1, "one token served for both");
    let order = Order {
        identifier: "a name of ours",
        request: "m1",
        pharmacy: "",
    };
    let task = holder.order(order, name(JANE, now)).await.unwrap();
    assert_eq!(identifier(&task), "a name of ours");
    // Nobody is asked for in another's name.
    let other = holder.requests(name(TOM, now)).await.unwrap_err();
    assert!(matches!(other, No::NotNow(_)), "{}", other.words());
    holder.signed_in(TOM, &id_token(TOM), (now + 3_600_000, now));
    holder.requests(name(TOM, now)).await.unwrap();
    assert_eq!(tokens.count(), 2, "each has their own");
    // A token that counts no more is fetched anew; an ID token that has ended is not used.
    tokens.end_all();
    assert!(holder.requests(name(JANE, now)).await.is_err());
    holder.requests(name(JANE, now)).await.unwrap();
    let late = holder
        .requests(name(JANE, now + 3_600_001))
        .await
        .unwrap_err();
    assert!(late.words().contains("NHS login"), "{}", late.words());
}
