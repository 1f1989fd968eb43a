//! The door as a patient's own app finds it, on each database.

use axum::Router;
use axum::body::Body;
use exchange::gp_connect::patient_token::PatientAsking;
use exchange::jwt::{IdentityKey, Jwks};
use http::{Method, Request};
use serde_json::json;
use store::testing::{Ground, on_each_database};
use tower::ServiceExt;

use super::*;
use crate::gp_connect::{Consumer, Door};
use crate::patient::prescriptions::tests::practice_with;
use crate::testing::letters;

const APP: &str = "200000000009";
/// Jane's number.
const JANE: &str = "9434765919";
const ID: &str = "30d65c8e-98e8-4806-b6a6-000000000001";

struct Setting {
    node: Arc<Node>,
    router: Router,
    key: IdentityKey,
}

async fn set_up(ground: &Ground, patients: bool) -> Setting {
    let key = IdentityKey::generate().unwrap();
    let keys = Jwks::read(key.jwks().to_string().as_bytes()).unwrap();
    let node = practice_with(ground, |node| {
        node.gp_connect = Some(Door {
            asid: "200000000001".into(),
            consumers: vec![Consumer {
                asid: APP.into(),
                ods: node.site.organisation.clone(),
                keys: Some(keys),
                patients,
            }],
            proxy: None,
            gateway: None,
        });
    })
    .await;
    let router = crate::router(node.clone());
    Setting { node, router, key }
}

impl Setting {
    async fn ask(
        &self,
        (method, path): (Method, &str),
        number: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let there = format!("{}{PATH}", self.node.site.base_url);
        let asking = PatientAsking {
            issuer: "https://app.example",
            audience: &there,
            organisation: &self.node.site.organisation,
            nhs_number: number,
            person: "Jane Example",
        };
        let writes = method != Method::GET;
        let claims = patient_token::claims(&asking, writes, self.node.store.now());
        let token = self.key.sign(&claims).unwrap();
        let request = Request::builder()
            .method(method)
            .uri(format!("{PATH}{path}"))
            .header("authorization", format!("Bearer {token}"))
            .header("ssp-from", APP)
            .header("x-request-id", "r-1")
            .header("content-type", CONTENT_TYPE)
            .body(body.map_or_else(Body::empty, |it| Body::from(it.to_string())))
            .unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let bytes = axum::body::to_bytes(answer.into_body(), 1 << 20)
            .await
            .unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.ask((Method::GET, path), JANE, None).await
    }

    async fn post(&self, task: Value) -> (StatusCode, Value) {
        self.ask((Method::POST, "/Task"), JANE, Some(task)).await
    }
}

fn task(identifier: &str, request: &str) -> Value {
    json!({
        "resourceType": "Task",
        "identifier": [{ "system": shape::UUID, "value": identifier }],
        "status": "requested",
        "intent": "order",
        "code": { "coding": [{ "system": "http://snomed.info/sct", "code": "103742009" }] },
        "focus": { "reference": format!("MedicationRequest/{request}") },
        "for": { "identifier": { "system": NhsNumber::SYSTEM, "value": JANE } },
    })
}

fn code(outcome: &Value) -> &str {
    outcome["issue"][0]["details"]["coding"][0]["code"]
        .as_str()
        .unwrap_or_default()
}

#[test]
fn an_order_by_the_patients_own_app_is_the_same_request_as_the_pages_and_is_made_once() {
    on_each_database(async |ground| {
        let setting = set_up(ground, true).await;
        let (status, listed) = setting
            .get(&format!("/Patient/{JANE}/MedicationStatement"))
            .await;
        assert_eq!(status, StatusCode::OK, "{listed}");
        assert_eq!(listed["total"], 2);
        let first = &listed["entry"][0]["resource"];
        assert_eq!(first["extension"][0]["valueBoolean"], true);
        assert_eq!(
            first["basedOn"][0]["reference"],
            "MedicationRequest/amlodipine"
        );
        let (status, made) = setting.post(task(ID, "amlodipine")).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        assert_eq!(
            (&made["status"], &made["identifier"][0]["value"]),
            (&"requested".into(), &ID.into())
        );
        // The answer was lost: the same again asks for nothing, and how it stands can be read.
        let (status, again) = setting.post(task(ID, "amlodipine")).await;
        assert_eq!(
            (status, code(&again)),
            (StatusCode::CONFLICT, "DUPLICATE_REJECTED")
        );
        let (status, other) = setting.post(task("another", "amlodipine")).await;
        assert_eq!(
            (status, code(&other)),
            (StatusCode::CONFLICT, "DUPLICATE_REJECTED")
        );
        let (_, tasks) = setting.get(&format!("/Task?patient={JANE}")).await;
        assert_eq!(tasks["total"], 1);
        let id = made["id"].as_str().unwrap();
        assert_eq!(tasks["entry"][0]["resource"]["id"], id);
        // The practice's own page has it.
        let mut jane = crate::testing::Browser::new(&setting.node);
        jane.sign_in("/login", "jane").await;
        let page = jane.get("/prescriptions").await.text;
        assert_eq!(
            page.matches("You have asked for it already.").count(),
            1,
            "{page}"
        );
        // It can be taken back while nobody has looked at it, and asked for anew.
        let cancelled = json!({ "op": "replace", "path": "/status", "value": "cancelled" });
        let path = format!("/Task/{id}");
        let patch = setting
            .ask((Method::PATCH, &path), JANE, Some(cancelled))
            .await;
        assert_eq!(
            (patch.0, &patch.1["status"]),
            (StatusCode::OK, &"cancelled".into()),
            "{}",
            patch.1
        );
        let (status, anew) = setting.post(task("another", "amlodipine")).await;
        assert_eq!(status, StatusCode::CREATED, "{anew}");
        assert_ne!(anew["id"], id);
    });
}

#[test]
fn what_was_asked_for_is_found_by_date_and_state_and_each_medicine_by_its_id() {
    on_each_database(async |ground| {
        let setting = set_up(ground, true).await;
        let (status, made) = setting.post(task(ID, "amlodipine")).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        let day = |at: i64| fhir::gp_connect::local_day(at);
        let now = setting.node.store.now();
        let (today, tomorrow) = (day(now), day(now + 86_400_000));
        let authored = made["authoredOn"].as_str().unwrap();
        let total = async |more: &str| {
            let (status, found) = setting.get(&format!("/Task?patient={JANE}{more}")).await;
            assert_eq!(status, StatusCode::OK, "{more}: {found}");
            found["total"].as_u64().unwrap()
        };
        for (more, expected) in [
            (format!("&authored-on=ge{today}"), 1),
            (format!("&authored-on={today}"), 1),
            (format!("&date=eq{today}&status=requested"), 1),
            (
                format!("&authored-on=ge{today}&authored-on=lt{tomorrow}"),
                1,
            ),
            (format!("&authored-on={authored}"), 1),
            (format!("&modified=le{today}"), 1),
            (format!("&authored-on=gt{today}"), 0),
            (format!("&authored-on=lt{today}"), 0),
            (format!("&authored-on=ne{today}"), 0),
            (format!("&modified=ge{tomorrow}"), 0),
            ("&status=cancelled,rejected".to_string(), 0),
            ("&status=cancelled,requested".to_string(), 1),
        ] {
            assert_eq!(total(&more).await, expected, "{more}");
        }
        for wrong in [
            "&authored-on=soon",
            "&authored-on=ap2026-01-01",
            "&owner=me",
            "&_include=Task:owner",
        ] {
            let (status, refused) = setting.get(&format!("/Task?patient={JANE}{wrong}")).await;
            assert_eq!(
                (status, code(&refused)),
                (StatusCode::UNPROCESSABLE_ENTITY, "INVALID_PARAMETER"),
                "{wrong}"
            );
        }
        let with = format!("/Task?patient={JANE}&_include=Task:focus");
        let (_, found) = setting.get(&with).await;
        let included = &found["entry"][1];
        assert_eq!(included["search"]["mode"], "include");
        let (status, one) = setting.get("/MedicationRequest/amlodipine").await;
        assert_eq!(status, StatusCode::OK, "{one}");
        assert_eq!(one, included["resource"]);
        assert_eq!(
            (&one["intent"], &one["subject"]["identifier"]["value"]),
            (&"plan".into(), &JANE.into())
        );
        // Somebody else's is not there, nor what the patient's page does not show.
        let text = r#"{"resourceType":"MedicationRequest","status":"active","intent":"plan",
            "medicationCodeableConcept":{"text":"Kept back"},"subject":{"reference":"Patient/jane"},
            "courseOfTherapyType":{"coding":[{"code":"continuous"}]}}"#;
        letters::put(&setting.node.store, "kept-back", text, store::Release::Keep).await;
        for id in ["none", "kept-back"] {
            let (status, refused) = setting.get(&format!("/MedicationRequest/{id}")).await;
            assert_eq!(
                (status, code(&refused)),
                (StatusCode::NOT_FOUND, "NO_RECORD_FOUND"),
                "{id}"
            );
        }
    });
}

#[test]
fn the_door_for_patients_apps_refuses_whoever_and_whatever_is_not_theirs() {
    on_each_database(async |ground| {
        let setting = set_up(ground, true).await;
        let statements = format!("/Patient/{JANE}/MedicationStatement");
        // Another patient's token, and nobody's.
        let other = setting
            .ask((Method::GET, &statements), "9990000026", None)
            .await;
        assert!(
            matches!(code(&other.1), "ACCESS_DENIED" | "PATIENT_NOT_FOUND"),
            "{}",
            other.1
        );
        let (status, _) = setting.get("/Task?patient=9990000026").await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        for (change, expected) in [
            (
                json!({ "focus": { "reference": "MedicationRequest/nobodys" } }),
                "REFERENCE_NOT_FOUND",
            ),
            (json!({ "status": "completed" }), "INVALID_RESOURCE"),
            (json!({ "identifier": [] }), "INVALID_RESOURCE"),
            (json!({ "code": {} }), "INVALID_RESOURCE"),
            (
                json!({ "for": { "identifier": { "system": NhsNumber::SYSTEM, "value": "9990000026" } } }),
                "INVALID_RESOURCE",
            ),
        ] {
            let mut wrong = task(ID, "amlodipine");
            for (name, value) in change.as_object().unwrap() {
                wrong[name] = value.clone();
            }
            let (_, refused) = setting.post(wrong).await;
            assert_eq!(code(&refused), expected, "{refused}");
        }
        // What is sealed from the page is from the app, and what has been stopped is not ordered.
        let text = r#"{"resourceType":"MedicationRequest","status":"stopped","intent":"plan",
            "medicationCodeableConcept":{"text":"Old"},"subject":{"reference":"Patient/jane"},
            "courseOfTherapyType":{"coding":[{"code":"continuous"}]}}"#;
        letters::put(&setting.node.store, "old", text, store::Release::At(0)).await;
        let (_, refused) = setting.post(task(ID, "old")).await;
        assert_eq!(code(&refused), "INVALID_RESOURCE", "{refused}");
        let (_, tasks) = setting.get(&format!("/Task?patient={JANE}")).await;
        assert_eq!(tasks["total"], 0, "nothing of this was asked for");
        let unsigned = Request::builder().uri(format!("{PATH}{statements}"));
        let unsigned = unsigned.body(Body::empty()).unwrap();
        let answer = setting.router.clone().oneshot(unsigned).await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        // A system that may book is not one that may ask in patients' names.
        let books = set_up(ground, false).await;
        let (status, refused) = books.get(&statements).await;
        assert_eq!(
            (status, code(&refused)),
            (StatusCode::FORBIDDEN, "ASID_CHECK_FAILED")
        );
    });
}
