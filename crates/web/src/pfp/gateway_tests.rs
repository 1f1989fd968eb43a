//! The gateway as the published drafts of it ask: a token first, then the medicines.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use exchange::jwt::Jwks;
use exchange::keys::sha256_hex;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use store::AuditFilter;
use store::accounts::{Holder, NewAccount};
use store::testing::{Ground, on_each_database};
use tower::ServiceExt;

use super::gateway::TOKEN;
use super::{CONTENT_TYPE, PATH};
use crate::gp_connect::{Door, PatientsGateway};
use crate::node::Node;
use crate::oauth::tests::systems::Signer;
use crate::patient::prescriptions::tests::practice_with;
use crate::serve::PeerCertificate;

const CLIENT: &str = "gp-connect-pfs";
const LOGIN: &str = "https://auth.login.example";
const APP: &str = "nhs-app";
const JANE: &str = "9434765919";
const CERTIFICATE: &[u8] = b"the gateway's certificate";

struct Setting {
    node: Arc<Node>,
    router: Router,
    gateway: Signer,
    login: Signer,
}

async fn set_up(ground: &Ground, certificate: Option<String>) -> Setting {
    let (gateway, login) = (Signer::new(), Signer::new());
    let keys = |signer: &Signer| Jwks::read(signer.jwks().to_string().as_bytes()).unwrap();
    let set = PatientsGateway {
        client: CLIENT.into(),
        keys: keys(&gateway),
        audience: None,
        issuer: LOGIN.into(),
        issuer_keys: keys(&login),
        apps: vec![APP.into()],
        certificate,
    };
    let node = practice_with(ground, |node| {
        node.gp_connect = Some(Door {
            gateway: Some(set),
            ..Door::default()
        });
    })
    .await;
    let router = crate::router(node.clone());
    Setting {
        node,
        router,
        gateway,
        login,
    }
}

fn header() -> Value {
    json!({ "alg": "RS512", "typ": "JWT", "kid": "key-1" })
}

fn with(mut claims: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => {
                claims.as_object_mut().unwrap().remove(name);
            }
            _ => claims[name] = value.clone(),
        }
    }
    claims
}

impl Setting {
    fn seconds(&self) -> i64 {
        self.node.store.now().div_euclid(1_000)
    }

    /// As NHS login says who Jane is, but for these changes.
    fn id_token(&self, changes: &Value) -> String {
        let now = self.seconds();
        let claims = json!({
            "iss": LOGIN, "aud": APP, "sub": "s-1", "iat": now, "exp": now + 3_500, "token_use": "id",
            "vot": "P9.Cp.Cd", "identity_proofing_level": "P9",
            "nhs_number": JANE, "birthdate": "1961-02-03", "family_name": "EXAMPLE",
        });
        self.login.signed(&header(), &with(claims, changes))
    }

    fn statement(&self, changes: &Value) -> String {
        let claims = json!({
            "iss": CLIENT, "sub": CLIENT, "aud": format!("{}{TOKEN}", self.node.site.base_url),
            "exp": self.seconds() + 3_600,
        });
        self.gateway.signed(&header(), &with(claims, changes))
    }

    async fn send(&self, mut request: Request<Body>, certificate: bool) -> (StatusCode, Value) {
        if certificate {
            let shown = PeerCertificate(Arc::from(CERTIFICATE));
            request.extensions_mut().insert(shown);
        }
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let bytes = axum::body::to_bytes(answer.into_body(), 1 << 20).await;
        let bytes = bytes.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    fn exchange(&self, statement: &str, id_token: &str) -> Request<Body> {
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("subject_token", id_token)
            .append_pair("client_id", CLIENT)
            .append_pair("client_assertion", statement)
            .append_pair(
                "subject_token_type",
                "urn:ietf:params:oauth:token-type:id_token",
            )
            .append_pair(
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            )
            .append_pair(
                "grant_type",
                "urn:ietf:params:oauth:grant-type:token-exchange",
            )
            .append_pair("subject_issuer", "nhs-login")
            .finish();
        Request::builder()
            .method(Method::POST)
            .uri(TOKEN)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(body))
            .unwrap()
    }

    /// What the exchange is answered, with those changes of the ID token.
    async fn exchanged(&self, changes: Value) -> (StatusCode, Value) {
        let request = self.exchange(&self.statement(&json!({})), &self.id_token(&changes));
        self.send(request, true).await
    }

    async fn token(&self) -> String {
        let (status, told) = self.exchanged(json!({})).await;
        assert_eq!(status, StatusCode::OK, "{told}");
        assert_eq!(
            (&told["token_type"], &told["expires_in"]),
            (&"Bearer".into(), &600.into())
        );
        told["access_token"].as_str().unwrap().to_owned()
    }

    fn request(&self, (method, path): (Method, &str), bearer: &str, body: Body) -> Request<Body> {
        Request::builder()
            .method(method)
            .uri(format!("{PATH}{path}"))
            .header("authorization", bearer)
            .header("x-request-id", "60e0b220-8136-4ca5-ae46-1d97ef59d068")
            .header("content-type", CONTENT_TYPE)
            .body(body)
            .unwrap()
    }

    async fn get(&self, path: &str, bearer: &str) -> (StatusCode, Value) {
        let request = self.request((Method::GET, path), bearer, Body::empty());
        self.send(request, true).await
    }
}

fn statements() -> String {
    format!("/Patient/{JANE}/MedicationStatement")
}

#[test]
fn an_app_that_comes_through_the_gateway_lists_and_orders_in_the_name_of_whom_nhs_login_proved() {
    on_each_database(async |ground| {
        let setting = set_up(ground, None).await;
        let token = setting.token().await;
        // The drafts of the gateway send the token with and without the word before it.
        for bearer in [format!("Bearer {token}"), token.clone()] {
            let (status, listed) = setting.get(&statements(), &bearer).await;
            assert_eq!(status, StatusCode::OK, "{listed}");
            assert_eq!(listed["total"], 2);
        }
        let bearer = format!("Bearer {token}");
        let task = json!({
            "resourceType": "Task",
            "identifier": [{ "system": super::shape::UUID, "value": "30d65c8e-98e8-4806-b6a6-000000000001" }],
            "status": "requested",
            "intent": "order",
            "code": { "coding": [{ "system": "http://snomed.info/sct", "code": "103742009" }] },
            "focus": { "reference": "MedicationRequest/amlodipine" },
            "for": { "identifier": { "system": access::NhsNumber::SYSTEM, "value": JANE } },
        });
        let body = Body::from(task.to_string());
        let request = setting.request((Method::POST, "/Task"), &bearer, body);
        let (status, made) = setting.send(request, false).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        // Another patient's medicines are not the token's, and after ten minutes nobody's are.
        let (status, _) = setting
            .get("/Patient/9990000026/MedicationStatement", &bearer)
            .await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        ground.clock().advance(601_000);
        let (status, _) = setting.get(&statements(), &bearer).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        let filter = AuditFilter {
            patient: Some("jane".into()),
            before: None,
            count: 200,
        };
        let scope = access::Scope::system(access::SystemPurpose::Measure);
        let page = setting.node.store.audit_page(&scope, &filter).await;
        let entries = page.unwrap().entries;
        let by_app = entries
            .iter()
            .filter(|it| it.agent.name.ends_with("(with the app nhs-app)"));
        assert!(by_app.count() >= 3, "the exchange, the list and the order");
    });
}

#[test]
fn a03_an_id_token_that_proves_less_or_is_anothers_is_changed_for_nothing() {
    on_each_database(async |ground| {
        let setting = set_up(ground, None).await;
        let now = setting.seconds();
        for changes in [
            json!({ "iss": "https://other.example" }),
            json!({ "aud": "another-app" }),
            json!({ "aud": [APP, "another-app"] }),
            json!({ "exp": now }),
            json!({ "exp": now + 7_200 }),
            json!({ "exp": (now + 100).to_string() }),
            json!({ "iat": now + 600 }),
            json!({ "iat": null }),
            json!({ "token_use": "access" }),
            json!({ "vot": "P5.Cp.Cd" }),
            json!({ "vot": "P9.Cp" }),
            json!({ "vot": null }),
            json!({ "identity_proofing_level": "P5" }),
            json!({ "act": { "sub": "somebody else" } }),
            json!({ "nhs_number": "9990000026" }),
            json!({ "nhs_number": null }),
            json!({ "birthdate": "1961-02-04" }),
            json!({ "family_name": "Other" }),
            json!({ "family_name": null }),
        ] {
            let (status, told) = setting.exchanged(changes.clone()).await;
            assert_eq!(
                (status, &told["error"]),
                (StatusCode::BAD_REQUEST, &"invalid_grant".into()),
                "{changes}: {told}"
            );
        }
        // Signed by nobody who counts, or with another algorithm.
        let id_token = setting.id_token(&json!({}));
        let other = Signer::new().signed(&header(), &json!({ "iss": LOGIN }));
        let weaker = json!({ "alg": "RS256", "kid": "key-1" });
        let weaker = setting.login.signed(&weaker, &json!({ "iss": LOGIN }));
        for wrong in [other, weaker] {
            let request = setting.exchange(&setting.statement(&json!({})), &wrong);
            let (status, told) = setting.send(request, true).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{told}");
        }
        for changes in [
            json!({ "iss": "another" }),
            json!({ "sub": "another" }),
            json!({ "aud": "https://other.example/token" }),
            json!({ "aud": null }),
            json!({ "exp": now }),
            json!({ "exp": now + 7_200 }),
        ] {
            let request = setting.exchange(&setting.statement(&changes), &id_token);
            let (status, told) = setting.send(request, true).await;
            assert_eq!(
                (status, &told["error"]),
                (StatusCode::UNAUTHORIZED, &"invalid_client".into()),
                "{changes}: {told}"
            );
        }
    });
}

#[test]
fn who_was_shut_out_here_is_not_let_in_by_the_gateway() {
    on_each_database(async |ground| {
        let setting = set_up(ground, None).await;
        let store = &setting.node.store;
        let bearer = format!("Bearer {}", setting.token().await);
        let account = NewAccount {
            login: "nhs:s-1".into(),
            name: "Jane Example".into(),
            holder: Holder::Patient {
                patient: "jane".into(),
                nhs_number: access::NhsNumber::parse(JANE).unwrap(),
            },
            password_hash: None,
        };
        store
            .open_outside_account(LOGIN, "s-1", account)
            .await
            .unwrap();
        let (status, _) = setting.get(&statements(), &bearer).await;
        assert_eq!(status, StatusCode::OK);
        assert!(store.close_account("nhs:s-1").await.unwrap());
        let (status, _) = setting.get(&statements(), &bearer).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        let (status, told) = setting.exchanged(json!({})).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{told}");
        let (status, _) = setting.exchanged(json!({ "sub": "s-2" })).await;
        assert_eq!(status, StatusCode::OK, "the account of another sign-in");
    });
}

#[test]
fn the_door_takes_no_token_but_its_own_and_no_connection_without_the_gateways_certificate() {
    on_each_database(async |ground| {
        let setting = set_up(ground, Some(sha256_hex(CERTIFICATE))).await;
        let token = setting.token().await;
        // What the node signs for others, the ID token itself, and nothing at all.
        let now = setting.seconds();
        let issued = json!({
            "iss": setting.node.site.base_url, "aud": format!("{}{PATH}", setting.node.site.base_url),
            "sub": "jane", "app": APP, "iat": now, "exp": now + 600,
        });
        let issued = setting.node.oauth.identity().unwrap().sign(&issued);
        for wrong in [issued.unwrap(), setting.id_token(&json!({})), "x".into()] {
            let (status, told) = setting.get(&statements(), &format!("Bearer {wrong}")).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{told}");
        }
        let bearer = format!("Bearer {token}");
        let (status, _) = setting.get(&statements(), &bearer).await;
        assert_eq!(status, StatusCode::OK);
        let request = setting.request((Method::GET, &statements()), &bearer, Body::empty());
        let (status, _) = setting.send(request, false).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        let statement = setting.statement(&json!({}));
        let mut request = setting.exchange(&statement, &setting.id_token(&json!({})));
        let (name, value) = ("ssp-from", "200000000009");
        request.headers_mut().insert(name, value.parse().unwrap());
        let (status, _) = setting.send(request, false).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "whatever header it brings");
        // Without the setting there is no such door.
        let closed = crate::router(practice_with(ground, |_| {}).await);
        let answer = closed.oneshot(setting.exchange(&statement, "x"));
        assert_eq!(answer.await.unwrap().status(), StatusCode::BAD_REQUEST);
    });
}
