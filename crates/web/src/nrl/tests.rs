//! The API, held to the published pointers, on both databases.

use std::path::PathBuf;
use std::sync::Arc;

use access::{Ods, Role, Scope, SystemPurpose};
use axum::Router;
use axum::body::Body;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use store::accounts::{Holder, NewAccount};
use store::ask::{AskWrite, Pointer};
use store::testing::{Ground, on_each_database};
use store::{Effect, Job, Release};
use tower::ServiceExt;

use crate::node::Node;
use crate::secret::Secret;
use crate::testing::{letters, node};

const CONSUMER: &str = "/record-locator/consumer/FHIR/R4/DocumentReference";
const PRODUCER: &str = "/record-locator/producer/FHIR/R4/DocumentReference";
const JANE: &str = "9434765919";
const REQUEST: &str = "60e0b220-8136-4ca5-ae46-1d97ef59d068";

/// The organisation's own system.
struct System {
    router: Router,
    token: String,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    fn code(&self) -> &str {
        let code = self.body.pointer("/issue/0/details/coding/0/code");
        code.and_then(Value::as_str).unwrap_or_default()
    }

    fn ids(&self) -> Vec<&str> {
        let entries = self.body["entry"].as_array();
        let entries = entries.map_or(&[][..], Vec::as_slice);
        entries
            .iter()
            .map(|it| it["resource"]["id"].as_str().unwrap_or_default())
            .collect()
    }
}

impl System {
    async fn of(node: &Arc<Node>) -> System {
        let account = NewAccount {
            login: "sys".into(),
            name: "Crisis plans".into(),
            holder: Holder::Staff {
                role: Role::System,
                organisation: Ods::parse("A81001").unwrap(),
            },
            password_hash: None,
        };
        node.store.open_account(account).await.unwrap();
        let account = node
            .store
            .credentials("sys")
            .await
            .unwrap()
            .unwrap()
            .account
            .id;
        let token = Secret::random();
        let digest = token.digest();
        node.store.add_token(digest, account, "test").await.unwrap();
        System {
            router: crate::router(node.clone()),
            token: token.reveal().to_string(),
        }
    }

    async fn send_as(&self, ods: &str, method: &str, path: &str, body: &Value) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("x-request-id", REQUEST)
            .header("x-correlation-id", "c.1")
            .header("content-type", "application/fhir+json;version=1")
            .header("accept", "application/fhir+json;version=1");
        if !ods.is_empty() {
            request = request.header("NHSD-End-User-Organisation-ODS", ods);
        }
        if !self.token.is_empty() {
            request = request.header(AUTHORIZATION, format!("Bearer {}", self.token));
        }
        let body = match body {
            Value::Null => Body::empty(),
            body => Body::from(body.to_string()),
        };
        let response = self.router.clone().oneshot(request.body(body).unwrap());
        let (parts, body) = response.await.unwrap().into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 22).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        }
    }

    async fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.send_as("A81001", method, path, body).await
    }

    async fn look(&self, more: &str) -> Answer {
        let subject = "subject:identifier=https%3A%2F%2Ffhir.nhs.uk%2FId%2Fnhs-number%7C";
        self.send(
            "GET",
            &format!("{CONSUMER}?{subject}{JANE}{more}"),
            &Value::Null,
        )
        .await
    }
}

async fn open(ground: &Ground) -> (Arc<Node>, System) {
    let node = node(ground).await;
    letters::patient(&node.store).await;
    let system = System::of(&node).await;
    (node, system)
}

fn plan() -> Value {
    let ods =
        json!({ "system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "A81001" });
    json!({
        "resourceType": "DocumentReference", "id": "A81001-plan-1", "status": "current",
        "type": { "coding": [{ "system": "http://snomed.info/sct", "code": "736253002" }] },
        "category": [{ "coding": [{ "system": "http://snomed.info/sct", "code": "734163000" }] }],
        "subject": { "identifier": { "system": "https://fhir.nhs.uk/Id/nhs-number", "value": JANE } },
        "author": [{ "identifier": ods.clone() }],
        "custodian": { "identifier": ods },
        "content": [{ "attachment": { "contentType": "application/pdf", "url": "https://a.example/plan.pdf" } }],
    })
}

#[test]
fn a_pointer_is_made_found_replaced_changed_and_deleted() {
    on_each_database(async |ground| {
        let (_node, system) = open(ground).await;
        let made = system.send("POST", PRODUCER, &plan()).await;
        assert_eq!(
            (made.status, made.code()),
            (StatusCode::CREATED, "RESOURCE_CREATED")
        );
        assert_eq!(made.headers["x-request-id"], REQUEST);
        assert_eq!(made.headers["x-correlation-id"], "c.1");
        let at = made.headers["location"].to_str().unwrap().to_owned();
        let first = at.rsplit('/').next().unwrap().to_owned();
        assert!(
            first.starts_with("A81001-") && first != "A81001-plan-1",
            "{first}"
        );
        let found = system.look("").await;
        assert_eq!(
            (found.ids(), &found.body["total"]),
            (vec![first.as_str()], &json!(1))
        );
        // In its place another one, and nothing of another type.
        let mut next = plan();
        next["relatesTo"] = json!([{ "code": "replaces", "target": {
            "type": "DocumentReference", "identifier": { "value": first } } }]);
        let mut wrong = next.clone();
        wrong["type"]["coding"][0]["code"] = json!("1363501000000100");
        let refused = system.send("POST", PRODUCER, &wrong).await;
        assert_eq!(
            (refused.status, refused.code()),
            (StatusCode::BAD_REQUEST, "VALIDATION_ERROR")
        );
        assert_eq!(
            system.look("").await.ids(),
            [first.as_str()],
            "nothing was half done"
        );
        let made = system.send("POST", PRODUCER, &next).await;
        assert_eq!(made.code(), "RESOURCE_SUPERSEDED", "{}", made.body);
        assert_eq!(system.look("").await.ids().len(), 1);
        let gone = system
            .send("GET", &format!("{PRODUCER}/{first}"), &Value::Null)
            .await;
        assert_eq!(
            (gone.status, gone.code()),
            (StatusCode::NOT_FOUND, "RESOURCE_NOT_FOUND")
        );
        // Under an id of the producer's own, twice the same, and changed.
        let path = format!("{PRODUCER}/A81001-plan-1");
        let put = system.send("PUT", &path, &plan()).await;
        assert_eq!(
            (put.status, put.code()),
            (StatusCode::CREATED, "RESOURCE_CREATED")
        );
        let mut changed = plan();
        changed["description"] = json!("New plan");
        let put = system.send("PUT", &path, &changed).await;
        assert_eq!(
            (put.status, put.code()),
            (StatusCode::OK, "RESOURCE_UPDATED")
        );
        let read = system
            .send("GET", &format!("{CONSUMER}/A81001-plan-1"), &Value::Null)
            .await;
        assert_eq!(read.body["description"], "New plan");
        assert_eq!(read.body["meta"]["versionId"], "2");
        changed["author"] = json!([{ "display": "Somebody else" }]);
        let put = system.send("PUT", &path, &changed).await;
        assert_eq!(
            (put.status, put.code()),
            (StatusCode::CONFLICT, "INVALID_VALUE")
        );
        let mut theirs = plan();
        theirs["id"] = json!("B99999-plan-1");
        let put = system
            .send("PUT", &format!("{PRODUCER}/B99999-plan-1"), &theirs)
            .await;
        assert_eq!(
            (put.status, put.code()),
            (StatusCode::BAD_REQUEST, "INVALID_RESOURCE_ID")
        );
        let typed = "&type=http%3A%2F%2Fsnomed.info%2Fsct%7C736253002";
        assert_eq!(system.look(typed).await.ids().len(), 2);
        assert_eq!(system.look("&_summary=count").await.body["total"], 2);
        let asked =
            json!({ "subject:identifier": format!("https://fhir.nhs.uk/Id/nhs-number|{JANE}") });
        let posted = system
            .send("POST", &format!("{CONSUMER}/_search"), &asked)
            .await;
        assert_eq!(posted.ids().len(), 2, "{}", posted.body);
        let removed = system.send("DELETE", &path, &Value::Null).await;
        assert_eq!(
            (removed.status, removed.code()),
            (StatusCode::OK, "RESOURCE_REMOVED")
        );
        let again = system.send("DELETE", &path, &Value::Null).await;
        assert_eq!(again.status, StatusCode::NOT_FOUND);
    });
}

#[test]
fn what_others_told_is_found_in_the_same_shape_and_of_strangers_nothing() {
    on_each_database(async |ground| {
        let (node, system) = open(ground).await;
        let told = |number: &str, born: &str| Pointer {
            custodian: "RZZ01".into(),
            home: "A81001".into(),
            nhs_number: number.into(),
            birth_date: born.into(),
            family: "Example".into(),
            version: 1,
            withdrawn: false,
        };
        for pointer in [told(JANE, "1961-02-03"), told("9990000018", "1961-02-03")] {
            let scope = Scope::system(SystemPurpose::KeepPointers);
            let hold = Effect::Ask(AskWrite::Hold(Box::new(pointer)));
            node.store.commit(&scope, Job::effect(hold)).await.unwrap();
        }
        let found = system.look("").await;
        let ids = found.ids();
        assert!(
            ids.len() == 1 && ids[0].starts_with("RZZ01-held-"),
            "{}",
            found.body
        );
        let by = "&custodian:identifier=https%3A%2F%2Ffhir.nhs.uk%2FId%2Fods-organization-code%7C";
        assert_eq!(system.look(&format!("{by}RZZ01")).await.ids().len(), 1);
        assert!(system.look(&format!("{by}RZZ02")).await.ids().is_empty());
        // Somebody is pointed at who is not known here: the answer is that of nobody.
        let path = format!(
            "{CONSUMER}?subject:identifier=https%3A%2F%2Ffhir.nhs.uk%2FId%2Fnhs-number%7C9990000018"
        );
        let stranger = system.send("GET", &path, &Value::Null).await;
        assert_eq!(
            (stranger.status, &stranger.body["total"]),
            (StatusCode::OK, &json!(0))
        );
        // Where a restricted patient is treated is withheld, and that is said.
        let Some(mut jane) = read(&node, "jane").await else {
            panic!("Jane is here")
        };
        jane["meta"] = json!({ "security": [{
            "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R" }] });
        letters::put(&node.store, "jane", &jane.to_string(), Release::Keep).await;
        let hidden = system.look("").await;
        assert!(
            !hidden.body.to_string().contains("RZZ01"),
            "{}",
            hidden.body
        );
        assert_eq!(
            hidden.body["entry"][0]["resource"]["issue"][0]["code"],
            "suppressed"
        );
    });
}

/// Of whom the home practice is to be told, or told that nothing is held any more.
async fn to_tell(node: &Node) -> Vec<(String, bool)> {
    let scope = Scope::system(SystemPurpose::KeepPointers);
    let due = node.store.pointers_due(&scope, 0, 10).await.unwrap();
    due.into_iter().map(|it| (it.patient, it.holds)).collect()
}

#[test]
fn what_a_producer_points_at_and_takes_back_is_told_to_the_home_practice() {
    on_each_database(async |ground| {
        let (node, system) = open(ground).await;
        assert!(to_tell(&node).await.is_empty());
        let path = format!("{PRODUCER}/A81001-plan-1");
        let put = system.send("PUT", &path, &plan()).await;
        assert_eq!(put.status, StatusCode::CREATED);
        assert_eq!(to_tell(&node).await, [("jane".to_string(), true)]);
        let removed = system.send("DELETE", &path, &Value::Null).await;
        assert_eq!(removed.status, StatusCode::OK);
        assert_eq!(to_tell(&node).await, [("jane".to_string(), false)]);
    });
}

#[test]
fn p18_whom_a_patient_does_not_want_to_see_documents_is_told_of_no_pointer() {
    on_each_database(async |ground| {
        let (node, system) = open(ground).await;
        let put = system
            .send("PUT", &format!("{PRODUCER}/A81001-plan-1"), &plan())
            .await;
        assert_eq!(put.status, StatusCode::CREATED);
        assert_eq!(system.look("").await.ids(), ["A81001-plan-1"]);
        let wish = json!({
            "resourceType": "Consent", "status": "active", "scope": { "text": "privacy" },
            "category": [{ "coding": [{ "system": "urn:handover:consent", "code": "sharing" }] }],
            "patient": { "reference": "Patient/jane" }, "policyRule": { "text": "opt in" },
            "provision": { "type": "permit", "provision": [{
                "type": "deny",
                "actor": [{ "role": { "text": "receiver" }, "reference": { "identifier": {
                    "system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "A81001" } } }],
                "class": [{ "system": "http://hl7.org/fhir/resource-types", "code": "DocumentReference" }],
            }] },
        });
        letters::put(&node.store, "wish", &wish.to_string(), Release::Keep).await;
        let hidden = system.look("").await;
        assert!(
            !hidden.body.to_string().contains("plan.pdf"),
            "{}",
            hidden.body
        );
        let issue = &hidden.body["entry"][0]["resource"]["issue"][0];
        assert_eq!(issue["code"], "suppressed", "not as if there were nothing");
        let one = format!("{CONSUMER}/A81001-plan-1");
        let read = system.send("GET", &one, &Value::Null).await;
        assert_eq!(read.status, StatusCode::NOT_FOUND);
    });
}

async fn read(node: &Node, id: &str) -> Option<Value> {
    let scope = Scope::system(SystemPurpose::Measure);
    match node.store.read(&scope, "Patient", id).await.unwrap() {
        store::Reading::Found(version) => serde_json::from_slice(&version.body).ok(),
        _ => None,
    }
}

#[test]
fn what_the_specification_does_not_take_is_refused_with_its_codes() {
    on_each_database(async |ground| {
        let (_node, system) = open(ground).await;
        let bare = system.send_as("", "GET", CONSUMER, &Value::Null).await;
        assert_eq!(
            (bare.status, bare.code()),
            (StatusCode::BAD_REQUEST, "BAD_REQUEST")
        );
        let other = system.send_as("RZZ01", "POST", PRODUCER, &plan()).await;
        assert_eq!(
            (other.status, other.code()),
            (StatusCode::FORBIDDEN, "ACCESS_DENIED")
        );
        let nobody = System {
            router: system.router.clone(),
            token: String::new(),
        };
        let unknown = nobody.send("POST", PRODUCER, &plan()).await;
        assert_eq!(unknown.status, StatusCode::UNAUTHORIZED);
        for query in [
            "",
            "?subject:identifier=9434765919",
            "?subject:identifier=https%3A%2F%2Ffhir.nhs.uk%2FId%2Fnhs-number%7C9434765918",
        ] {
            let answer = system
                .send("GET", &format!("{CONSUMER}{query}"), &Value::Null)
                .await;
            assert_eq!(
                (answer.status, answer.code()),
                (StatusCode::BAD_REQUEST, "VALIDATION_ERROR"),
                "{query}"
            );
        }
        assert_eq!(system.look("&sort=date").await.code(), "VALIDATION_ERROR");
        for (name, value) in [
            (
                "subject",
                json!({ "identifier": { "system": "https://fhir.nhs.uk/Id/nhs-number", "value": "1" } }),
            ),
            (
                "custodian",
                json!({ "identifier": { "system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "RZZ01" } }),
            ),
            ("type", json!({ "text": "a plan" })),
            ("category", Value::Null),
            ("content", json!([{ "attachment": { "title": "x" } }])),
            ("status", json!("superseded")),
            (
                "relatesTo",
                json!([{ "code": "appends", "target": { "identifier": { "value": "x" } } }]),
            ),
        ] {
            let mut wrong = plan();
            match value {
                Value::Null => {
                    wrong.as_object_mut().unwrap().remove(name);
                }
                value => wrong[name] = value,
            }
            let answer = system.send("POST", PRODUCER, &wrong).await;
            assert_eq!(answer.code(), "VALIDATION_ERROR", "{name}: {}", answer.body);
            let place = answer.body["issue"][0]["expression"][0]
                .as_str()
                .unwrap_or_default();
            assert!(place.contains(name), "{name}: {}", answer.body);
        }
        assert!(system.look("").await.ids().is_empty());
    });
}

#[test]
fn more_pointers_than_a_page_are_all_given_by_the_token() {
    on_each_database(async |ground| {
        let (_node, system) = open(ground).await;
        for number in 0..23 {
            let mut one = plan();
            let id = format!("A81001-plan-{number:02}");
            one["id"] = json!(id);
            let put = system.send("PUT", &format!("{PRODUCER}/{id}"), &one).await;
            assert_eq!(put.status, StatusCode::CREATED);
        }
        let first = system.look("").await;
        assert_eq!(first.ids().len(), 20);
        let token = first.body["meta"]["tag"][0]["code"]
            .as_str()
            .unwrap()
            .to_owned();
        let rest = system.look(&format!("&next-page-token={token}")).await;
        assert_eq!(
            rest.ids(),
            ["A81001-plan-20", "A81001-plan-21", "A81001-plan-22"]
        );
        assert!(rest.body.get("meta").is_none());
        assert_eq!(system.look("&_summary=count").await.body["total"], 23);
    });
}

/// The published pointers are taken as their custodian would send them.
#[test]
fn the_published_pointers_are_taken() {
    let shared = std::env::var_os("HANDOVER_SHARED").map(PathBuf::from);
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared"));
    let folder = shared
        .unwrap_or_else(beside)
        .join("data/nhs/nrlf/tests/data/DocumentReference");
    if !folder.is_dir() {
        eprintln!("SKIPPED: {} is not here", folder.display());
        return;
    }
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let body = std::fs::read(&path).unwrap();
        let json: Value = serde_json::from_slice(&body).unwrap();
        let custodian = json["custodian"]["identifier"]["value"].as_str().unwrap();
        let custodian = Ods::parse(custodian).unwrap();
        let read = super::pointer::read(&body, &custodian);
        let (_, pointer) = read.unwrap_or_else(|refused| panic!("{}: {refused:?}", path.display()));
        assert!(
            super::pointer::is_theirs(&pointer.id, &custodian),
            "{}",
            pointer.id
        );
        count += 1;
    }
    assert!(count >= 5, "{count}");
}
