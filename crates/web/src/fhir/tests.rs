//! The door through the real router, on each database.

use std::sync::Arc;

use access::{Ods, Role};
use axum::Router;
use axum::body::Body;
use fhir::definitions::Definitions;
use fhir::json::{Limits, parse};
use fhir::validate::validate;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Request, StatusCode};
use serde_json::Value;
use store::accounts::{Holder, NewAccount};
use tower::ServiceExt;

use crate::node::Node;
use crate::secret::Secret;

const BASE: &str = "http://127.0.0.1:8080/fhir";

mod bulk;
mod bundles;
mod by_post;
mod callers;
mod conditions;
mod everything;
mod examples;
mod exports;
mod filtered;
mod imports;
mod labels;
mod operations;
mod opt_out;
mod past;
mod patches;
mod resources;
mod searches;
mod subscriptions;
mod terminology;
mod validate;
mod views;
mod withheld;
mod xml;

/// A client with a token.
#[derive(Clone)]
pub(crate) struct Client {
    router: Router,
    token: String,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.bytes.clone()).unwrap()
    }

    fn header(&self, name: impl http::header::AsHeaderName) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Kind and FHIRPath of the first issue.
    fn issue(&self) -> (String, String) {
        let json = self.json();
        assert_eq!(json["resourceType"], "OperationOutcome", "{json}");
        let issue = &json["issue"][0];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
        (text(&issue["code"]), text(&issue["expression"][0]))
    }
}

impl Client {
    /// The one of that user name, whose account is there.
    pub(crate) async fn of(node: &Arc<Node>, login: &str) -> Client {
        let account = node
            .store
            .credentials(login)
            .await
            .unwrap()
            .unwrap()
            .account
            .id;
        let token = Secret::random();
        node.store
            .add_token(token.digest(), account, "test")
            .await
            .unwrap();
        Client {
            router: crate::router(node.clone()),
            token: token.reveal().to_string(),
        }
    }

    /// The organisation's own system, whose account `sys` is made.
    pub(crate) async fn system(node: &Arc<Node>) -> Client {
        let account = NewAccount {
            login: "sys".into(),
            name: "Lab".into(),
            holder: Holder::Staff {
                role: Role::System,
                organisation: Ods::parse("A81001").unwrap(),
            },
            password_hash: None,
        };
        node.store.open_account(account).await.unwrap();
        Client::of(node, "sys").await
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/fhir{path}"));
        if !self.token.is_empty() {
            request = request.header(AUTHORIZATION, format!("Bearer {}", self.token));
        }
        if !body.is_empty() && !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header(CONTENT_TYPE, "application/fhir+json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_string())).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 26).await.unwrap().to_vec();
        let answer = Answer {
            status: parts.status,
            headers: parts.headers,
            bytes,
        };
        answer.is_valid();
        answer
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    pub(crate) async fn put(&self, path: &str, body: &str) -> Answer {
        self.send("PUT", path, &[], body).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, &[], body).await
    }
}

impl Answer {
    /// Whatever the door says is valid R4.
    fn is_valid(&self) {
        if self.bytes.is_empty() {
            return;
        }
        let limits = Limits {
            depth: 96,
            bytes: 1 << 26,
            ..Limits::default()
        };
        let bytes = match self.header(CONTENT_TYPE) {
            "application/fhir+json" => self.bytes.clone(),
            // The OpenAPI document is no resource.
            "application/json" if self.text().contains("\"openapi\":") => return,
            "application/fhir+xml" => fhir::xml::to_json(&self.bytes, &limits).unwrap(),
            other => panic!("{other}: {}", self.text()),
        };
        assert_eq!(self.header("cache-control"), "no-store");
        let json = parse(&bytes, &limits).unwrap();
        assert_eq!(
            validate(&json, Definitions::r4()),
            Ok(()),
            "{}",
            self.text()
        );
    }
}

/// A node, with a privacy officer `pat` besides the usual people.
async fn node(ground: &store::testing::Ground) -> Arc<Node> {
    let node = crate::testing::node(ground).await;
    let holder = Holder::Staff {
        role: Role::PrivacyOfficer,
        organisation: Ods::parse("A81001").unwrap(),
    };
    let account = NewAccount {
        login: "pat".into(),
        name: "Pat Officer".into(),
        holder,
        password_hash: None,
    };
    node.store.open_account(account).await.unwrap();
    node
}

/// Lets the patient see it.
async fn release(node: &Arc<Node>, ty: &str, id: &str) {
    let change = store::Change::Release {
        ty: ty.into(),
        id: id.into(),
        release: store::Release::At(node.store.now()),
    };
    let scope = access::Scope::system(access::SystemPurpose::Measure);
    let job = store::Job::change(change);
    node.store.commit(&scope, job).await.unwrap();
}

const JANE: &str = r#"{"resourceType":"Patient","id":"jane","name":[{"family":"Example","given":["Jane"]}],"birthDate":"1970-02-03"}"#;

fn observation(id: &str, subject: &str) -> String {
    format!(
        r#"{{"resourceType":"Observation","id":"{id}","status":"final","code":{{"coding":[{{"system":"http://loinc.org","code":"8480-6"}}]}},"subject":{{"reference":"Patient/{subject}"}},"valueQuantity":{{"value":1.50}}}}"#
    )
}

/// A Patient with a link to another record.
fn linked(id: &str, ty: &str, other: &str) -> String {
    format!(
        r#"{{"resourceType":"Patient","id":"{id}","link":[{{"type":"{ty}","other":{{"reference":"Patient/{other}"}}}}]}}"#
    )
}
