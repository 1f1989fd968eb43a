//! The door through the real router, on each database.

use std::sync::Arc;

use access::{Ods, Role};
use axum::Router;
use axum::body::Body;
use fhir::definitions::Definitions;
use fhir::json::{Limits, parse};
use fhir::validate::validate;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, LOCATION};
use http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use store::accounts::{Holder, NewAccount};
use store::testing::on_each_database;
use tower::ServiceExt;

use crate::node::Node;
use crate::secret::Secret;

const BASE: &str = "http://127.0.0.1:8080/fhir";

mod examples;

/// A client with a token.
#[derive(Clone)]
struct Client {
    router: Router,
    token: String,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    bytes: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }

    fn text(&self) -> String {
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
    async fn of(node: &Arc<Node>, login: &str) -> Client {
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

    async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    async fn put(&self, path: &str, body: &str) -> Answer {
        self.send("PUT", path, &[], body).await
    }

    async fn post(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, &[], body).await
    }
}

impl Answer {
    /// Whatever the door says in JSON is valid R4.
    fn is_valid(&self) {
        if self.bytes.is_empty() {
            return;
        }
        assert_eq!(
            self.header(CONTENT_TYPE),
            "application/fhir+json",
            "{}",
            self.text()
        );
        assert_eq!(self.header("cache-control"), "no-store");
        let json = parse(
            &self.bytes,
            &Limits {
                bytes: 1 << 26,
                ..Limits::default()
            },
        )
        .unwrap();
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

const JANE: &str = r#"{"resourceType":"Patient","id":"jane","name":[{"family":"Example","given":["Jane"]}],"birthDate":"1970-02-03"}"#;

fn observation(id: &str, subject: &str) -> String {
    format!(
        r#"{{"resourceType":"Observation","id":"{id}","status":"final","code":{{"coding":[{{"system":"http://loinc.org","code":"8480-6"}}]}},"subject":{{"reference":"Patient/{subject}"}},"valueQuantity":{{"value":1.50}}}}"#
    )
}

#[test]
fn a_resource_is_created_read_changed_and_deleted() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        let sent = observation("ignored", "jane");
        let made = bo.post("/Observation", &sent).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        let location = made
            .header(LOCATION)
            .strip_prefix(BASE)
            .unwrap()
            .to_string();
        let (address, version) = location.split_once("/_history/").unwrap();
        assert_eq!((version, made.header(ETAG)), ("1", "W/\"1\""));
        assert!(made.text().contains(r#""value":1.50"#));

        let read = bo.get(address).await;
        assert_eq!(read.bytes, made.bytes);
        assert_eq!(
            read.header("last-modified"),
            "Mon, 05 Jan 2026 09:00:00 GMT"
        );
        let known = bo
            .send("GET", address, &[("if-none-match", "W/\"1\"")], "")
            .await;
        assert_eq!(
            (known.status, known.bytes.len()),
            (StatusCode::NOT_MODIFIED, 0)
        );
        let head = bo.send("HEAD", address, &[], "").await;
        assert_eq!((head.status, head.bytes.len()), (StatusCode::OK, 0));

        let id = address.strip_prefix("/Observation/").unwrap();
        let changed = observation(id, "jane").replace("final", "amended");
        let stale = bo
            .send("PUT", address, &[("if-match", "W/\"7\"")], &changed)
            .await;
        assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
        let good = bo
            .send("PUT", address, &[("if-match", "W/\"1\"")], &changed)
            .await;
        assert_eq!(
            (good.status, good.header(ETAG)),
            (StatusCode::OK, "W/\"2\"")
        );
        assert_eq!(
            bo.get(&format!("{address}/_history/1")).await.bytes,
            made.bytes
        );
        assert_eq!(
            bo.get(&format!("{address}/_history/9")).await.status,
            StatusCode::NOT_FOUND
        );

        let gone = bo.send("DELETE", address, &[], "").await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT);
        let read = bo.get(address).await;
        assert_eq!(
            (read.status, read.issue().0.as_str()),
            (StatusCode::GONE, "deleted")
        );
        let never = bo.get("/Observation/never").await;
        assert_eq!(
            (never.status, never.issue().0.as_str()),
            (StatusCode::NOT_FOUND, "not-found")
        );
        assert_eq!(
            bo.send("DELETE", "/Observation/never", &[], "")
                .await
                .status,
            StatusCode::NO_CONTENT
        );

        let history = bo.get(&format!("{address}/_history")).await.json();
        let methods: Vec<&str> = history["entry"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["request"]["method"].as_str().unwrap())
            .collect();
        assert_eq!(methods, ["DELETE", "PUT", "PUT"]);
        assert_eq!(
            bo.get("/Observation/never/_history").await.status,
            StatusCode::NOT_FOUND
        );
        node.store.clone().close().await;
    });
}

#[test]
fn an_update_creates_under_the_id_it_names() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        let made = bo.put("/Patient/jane", JANE).await;
        assert_eq!(
            (made.status, made.header(ETAG)),
            (StatusCode::CREATED, "W/\"1\"")
        );
        let other = bo.put("/Patient/john", JANE).await;
        assert_eq!(other.issue(), ("invalid".into(), "Patient.id".into()));
        assert_eq!(
            bo.put("/Group/jane", JANE).await.status,
            StatusCode::BAD_REQUEST
        );
        let minimal = bo
            .send(
                "PUT",
                "/Patient/jane",
                &[("prefer", "return=minimal")],
                JANE,
            )
            .await;
        assert_eq!((minimal.status, minimal.bytes.len()), (StatusCode::OK, 0));
        let prefer = [("prefer", "return=OperationOutcome")];
        let outcome = bo.send("PUT", "/Patient/jane", &prefer, JANE).await;
        assert_eq!(outcome.json()["resourceType"], "OperationOutcome");
        node.store.clone().close().await;
    });
}

#[test]
fn bad_input_is_refused_with_place_and_reason() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        for (body, code, expression) in [
            (
                r#"{"resourceType":"Patient","nam":1}"#,
                "structure",
                "Patient.nam",
            ),
            (
                r#"{"resourceType":"Patient","gender":"f"}"#,
                "code-invalid",
                "Patient.gender",
            ),
            (
                r#"{"resourceType":"Patient","active":true,"active":true}"#,
                "structure",
                "",
            ),
            ("[[[[", "structure", ""),
            (
                r#"{"resourceType":"Group","type":"person","actual":true}"#,
                "invalid",
                "Group",
            ),
        ] {
            let refused = bo.post("/Patient", body).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{body}");
            assert_eq!(
                refused.issue(),
                (code.to_string(), expression.to_string()),
                "{body}"
            );
        }
        // X01
        let deep = bo.post("/Patient", &"[".repeat(100_000)).await;
        assert_eq!(deep.issue().0, "too-costly");
        let sent_as = |kind| [("content-type", kind)];
        let xml = bo
            .send(
                "POST",
                "/Patient",
                &sent_as("application/fhir+xml"),
                "<Patient/>",
            )
            .await;
        assert_eq!(xml.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        let asked = bo
            .send(
                "GET",
                "/Patient/jane",
                &[("accept", "application/fhir+xml")],
                "",
            )
            .await;
        assert_eq!(asked.status, StatusCode::NOT_ACCEPTABLE);
        assert_eq!(
            bo.get("/Patient/jane?_format=xml").await.status,
            StatusCode::NOT_ACCEPTABLE
        );
        assert_eq!(
            bo.get("/Patient/jane?_summary=true").await.status,
            StatusCode::BAD_REQUEST
        );
        assert_eq!(bo.get("/Nobody/jane").await.status, StatusCode::NOT_FOUND);
        assert_eq!(bo.get("/a/b/c/d").await.status, StatusCode::NOT_FOUND);
        let patch = bo.send("PATCH", "/Patient/jane", &[], "[]").await;
        assert_eq!(
            (patch.status, patch.issue().0.as_str()),
            (StatusCode::METHOD_NOT_ALLOWED, "not-supported")
        );
        let large = "x".repeat(super::RESOURCE_BYTES_MAX + 1);
        assert_eq!(
            bo.post("/Patient", &large).await.status,
            StatusCode::PAYLOAD_TOO_LARGE
        );
        node.store.clone().close().await;
    });
}

#[test]
fn a_search_finds_pages_and_links() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        bo.put("/Patient/jane", JANE).await;
        for n in 0..5 {
            let id = format!("o{n}");
            bo.put(&format!("/Observation/{id}"), &observation(&id, "jane"))
                .await;
        }
        let mut next = "/Observation?code=http://loinc.org%7C8480-6&subject=Patient/jane&_count=2&_total=accurate".to_string();
        let mut found = Vec::new();
        while !next.is_empty() {
            let page = bo.get(&next).await.json();
            assert_eq!(page["total"], 5, "{page}");
            for entry in page["entry"].as_array().unwrap() {
                found.push(entry["resource"]["id"].as_str().unwrap().to_string());
                assert!(entry["fullUrl"].as_str().unwrap().starts_with(BASE));
            }
            let links = page["link"].as_array().unwrap();
            let link = links.iter().find(|link| link["relation"] == "next");
            next = link.map_or(String::new(), |link| {
                link["url"]
                    .as_str()
                    .unwrap()
                    .strip_prefix(BASE)
                    .unwrap()
                    .to_string()
            });
        }
        found.sort();
        assert_eq!(found, ["o0", "o1", "o2", "o3", "o4"]);

        let form = [("content-type", "application/x-www-form-urlencoded")];
        let posted = bo
            .send(
                "POST",
                "/Patient/_search?_count=5",
                &form,
                "family=EXAMPLE&birthdate=ge1970",
            )
            .await;
        assert_eq!(
            posted.json()["entry"].as_array().unwrap().len(),
            1,
            "{}",
            posted.text()
        );
        let unknown = bo.get("/Patient?frobnicate=1").await;
        assert_eq!(
            (unknown.status, unknown.issue().0.as_str()),
            (StatusCode::BAD_REQUEST, "not-supported")
        );
        let lenient = bo
            .send(
                "GET",
                "/Patient?frobnicate=1",
                &[("prefer", "handling=lenient")],
                "",
            )
            .await;
        let modes: Vec<Value> = lenient.json()["entry"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["search"]["mode"].clone())
            .collect();
        assert_eq!(modes, ["match", "outcome"]);
        let none = bo.get("/Patient?family=nobody").await;
        assert_eq!(none.status, StatusCode::OK);
        assert!(none.json().get("entry").is_none());
        node.store.clone().close().await;
    });
}

fn bundle(kind: &str, entries: Value) -> String {
    json!({ "resourceType": "Bundle", "type": kind, "entry": entries }).to_string()
}

#[test]
fn a_transaction_is_done_whole_or_not_at_all() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        let patient = "urn:uuid:11111111-1111-4111-8111-111111111111";
        let entries = json!([
            { "fullUrl": patient, "resource": { "resourceType": "Patient", "identifier": [{ "system": "urn:s", "value": "1" }] }, "request": { "method": "POST", "url": "Patient" } },
            { "resource": { "resourceType": "Observation", "status": "final", "code": { "text": "x" }, "subject": { "reference": patient } }, "request": { "method": "POST", "url": "Observation" } },
            { "request": { "method": "GET", "url": "Patient?identifier=urn:s%7C1" } },
        ]);
        let prefer = [("prefer", "return=representation")];
        let done = bo
            .send("POST", "", &prefer, &bundle("transaction", entries))
            .await;
        assert_eq!(done.status, StatusCode::OK, "{}", done.text());
        let done = done.json();
        assert_eq!(done["type"], "transaction-response");
        let location = done["entry"][0]["response"]["location"].as_str().unwrap();
        let (address, _) = location.split_once("/_history").unwrap();
        assert_eq!(
            done["entry"][1]["resource"]["subject"]["reference"],
            address
        );
        assert_eq!(
            done["entry"][2]["resource"]["entry"][0]["resource"]["id"],
            done["entry"][0]["resource"]["id"]
        );

        // The second time the patient is found, and the observation refers to them.
        let entries = json!([
            { "fullUrl": patient, "resource": { "resourceType": "Patient", "identifier": [{ "system": "urn:s", "value": "1" }] }, "request": { "method": "POST", "url": "Patient", "ifNoneExist": "identifier=urn:s|1" } },
            { "resource": { "resourceType": "Observation", "status": "final", "code": { "text": "y" }, "subject": { "reference": "Patient?identifier=urn:s|1" } }, "request": { "method": "POST", "url": "Observation" } },
        ]);
        let again = bo
            .send("POST", "", &prefer, &bundle("transaction", entries))
            .await
            .json();
        assert_eq!(again["entry"][0]["response"]["status"], "200 OK", "{again}");
        assert_eq!(
            again["entry"][1]["resource"]["subject"]["reference"],
            address
        );

        let entries = json!([
            { "resource": { "resourceType": "Patient", "id": "p1" }, "request": { "method": "PUT", "url": "Patient/p1" } },
            { "resource": { "resourceType": "Patient", "id": "p2" }, "request": { "method": "PUT", "url": "Patient/p2", "ifMatch": "W/\"4\"" } },
        ]);
        let refused = bo.post("/", &bundle("transaction", entries)).await;
        assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text());
        assert_eq!(bo.get("/Patient/p1").await.status, StatusCode::NOT_FOUND);
        let wrong = json!([{ "resource": { "resourceType": "Patient", "nam": 1 }, "request": { "method": "POST", "url": "Patient" } }]);
        let refused = bo.post("", &bundle("transaction", wrong)).await;
        assert_eq!(
            refused.issue(),
            ("structure".into(), "Bundle.entry[0].resource.nam".into())
        );
        node.store.clone().close().await;
    });
}

#[test]
fn a_batch_does_what_it_can() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        let entries = json!([
            { "resource": { "resourceType": "Patient", "id": "p1" }, "request": { "method": "PUT", "url": "Patient/p1" } },
            { "resource": { "resourceType": "Patient", "nam": 1 }, "request": { "method": "POST", "url": "Patient" } },
            { "request": { "method": "GET", "url": "Patient/never" } },
            { "request": { "method": "DELETE", "url": "Patient?active=true" } },
        ]);
        let done = bo.post("", &bundle("batch", entries)).await.json();
        let statuses: Vec<&str> = done["entry"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["response"]["status"].as_str().unwrap())
            .collect();
        assert_eq!(
            statuses,
            [
                "201 Created",
                "400 Bad Request",
                "404 Not Found",
                "400 Bad Request"
            ]
        );
        assert_eq!(bo.get("/Patient/p1").await.status, StatusCode::OK);
        node.store.clone().close().await;
    });
}

#[test]
fn who_asks_decides_what_there_is() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        bo.put("/Patient/jane", JANE).await;
        bo.put("/Patient/john", &JANE.replace("jane", "john")).await;
        bo.put("/Observation/o1", &observation("o1", "john")).await;
        // A01: beyond the compartment is as absent, to the byte but for the request's id.
        let jane = Client::of(&node, "jane").await;
        assert_eq!(jane.get("/Patient/jane").await.status, StatusCode::OK);
        for path in [
            "/Patient/john",
            "/Observation/o1",
            "/Patient/john/_history/1",
            "/Patient/john/_history",
        ] {
            let withheld = jane.get(path).await;
            let absent = jane
                .get(&path.replace("john", "nobody").replace("o1", "o9"))
                .await;
            assert_eq!(
                (withheld.status, &withheld.bytes),
                (StatusCode::NOT_FOUND, &absent.bytes),
                "{path}"
            );
        }
        let found = jane.get("/Patient").await.json();
        assert_eq!(found["entry"].as_array().unwrap().len(), 1, "{found}");
        assert_eq!(
            jane.put("/Patient/jane", JANE).await.status,
            StatusCode::FORBIDDEN
        );
        // A20
        let ed = Client::of(&node, "ed").await;
        assert_eq!(ed.get("/Patient/jane").await.status, StatusCode::FORBIDDEN);
        assert_eq!(ed.get("/Patient").await.status, StatusCode::FORBIDDEN);
        let stranger = Client {
            token: String::new(),
            ..Client::of(&node, "bo").await
        };
        let asked = stranger.get("/Patient/jane").await;
        assert_eq!(
            (asked.status, asked.header("www-authenticate")),
            (StatusCode::UNAUTHORIZED, "Bearer")
        );
        let forger = Client {
            token: "x".repeat(40),
            ..stranger
        };
        assert_eq!(
            forger.get("/Patient/jane").await.status,
            StatusCode::UNAUTHORIZED
        );
        assert_eq!(forger.post("", "{}").await.status, StatusCode::UNAUTHORIZED);
        node.store.clone().close().await;
    });
}

#[test]
fn the_log_tells_the_privacy_officer_who_looked() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        bo.put("/Patient/jane", JANE).await;
        let read = bo.get("/Patient/jane").await;
        let request = read.header("x-request-id").to_string();
        let ed = Client::of(&node, "ed").await;
        ed.get("/Patient/jane").await;
        let pat = Client::of(&node, "pat").await;
        let log = pat.get("/AuditEvent/$log?patient=jane&_count=1").await;
        assert_eq!(log.status, StatusCode::OK, "{}", log.text());
        let first = log.json();
        assert!(first["entry"][0].to_string().contains(&request), "{first}");
        let next = first["link"][1]["url"]
            .as_str()
            .unwrap()
            .strip_prefix(BASE)
            .unwrap()
            .to_string();
        assert!(pat.get(&next).await.text().contains("\"action\":\"C\""));
        // What was refused is told too.
        assert!(
            pat.get("/AuditEvent/$log")
                .await
                .text()
                .contains("\"refused\"")
        );
        assert_eq!(
            bo.get("/AuditEvent/$log").await.status,
            StatusCode::FORBIDDEN
        );
        assert_eq!(
            pat.get("/AuditEvent/$log?frobnicate=1").await.status,
            StatusCode::BAD_REQUEST
        );
        node.store.clone().close().await;
    });
}

#[test]
fn the_capability_statement_tells_what_is_on() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let stranger = Client {
            token: String::new(),
            ..Client::of(&node, "bo").await
        };
        let statement = stranger.get("/metadata").await;
        assert_eq!(statement.status, StatusCode::OK);
        let statement = statement.json();
        assert_eq!(
            statement["rest"][0]["resource"].as_array().unwrap().len(),
            146
        );
        assert_eq!(statement["implementation"]["url"], BASE);
        let pretty = stranger
            .send(
                "GET",
                "/metadata?_pretty=true",
                &[(ACCEPT.as_str(), "*/*")],
                "",
            )
            .await;
        assert!(pretty.text().starts_with("{\n  \"resourceType\""));
        assert_eq!(pretty.json(), statement);
        node.store.clone().close().await;
    });
}
