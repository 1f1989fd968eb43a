//! `$validate`, and profiles that must be followed, through the door.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};
use store::testing::on_each_database;

use super::{Client, node};
use crate::fhir::validate::Enforced;

const URL: &str = "http://example.org/StructureDefinition/named";

/// A profile of Patient that asks for a name.
fn profile() -> String {
    json!({
        "resourceType": "StructureDefinition", "id": "named", "url": URL, "name": "Named", "status": "active",
        "kind": "resource", "abstract": false, "type": "Patient", "derivation": "constraint",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "differential": { "element": [{ "id": "Patient.name", "path": "Patient.name", "min": 1 }] }
    })
    .to_string()
}

/// Severity and place of each issue.
fn issues(outcome: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let all = outcome["issue"].as_array().unwrap().iter();
    all.map(|issue| (text(&issue["severity"]), text(&issue["expression"][0])))
        .collect()
}

fn errors(outcome: &Value) -> Vec<String> {
    let all = issues(outcome).into_iter();
    all.filter(|(severity, _)| severity == "error")
        .map(|(_, place)| place)
        .collect()
}

#[test]
fn a_resource_is_validated_and_nothing_is_stored() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        bo.put("/StructureDefinition/named", &profile()).await;
        let patient = r#"{"resourceType":"Patient","id":"p","active":true}"#;
        let good = bo.post("/Patient/$validate", patient).await;
        assert_eq!(good.status, StatusCode::OK);
        assert_eq!(errors(&good.json()), [""; 0]);
        let bad = r#"{"resourceType":"Patient","contact":[{"gender":"male"}]}"#;
        let answer = bo.post("/Patient/$validate", bad).await;
        assert_eq!(errors(&answer.json()), ["Patient.contact[0]"]);
        let asked = format!("/Patient/$validate?profile={URL}");
        assert_eq!(
            errors(&bo.post(&asked, patient).await.json()),
            ["Patient.name"]
        );
        let wrapped = json!({ "resourceType": "Parameters", "parameter": [
            { "name": "resource", "resource": serde_json::from_str::<Value>(patient).unwrap() },
            { "name": "profile", "valueUri": URL },
            { "name": "mode", "valueCode": "create" },
        ]});
        let answer = bo.post("/Patient/$validate", &wrapped.to_string()).await;
        assert_eq!(errors(&answer.json()), ["Patient.name"]);
        let declared =
            format!(r#"{{"resourceType":"Patient","meta":{{"profile":["{URL}"]}},"active":true}}"#);
        assert_eq!(
            errors(&bo.post("/Patient/$validate", &declared).await.json()),
            ["Patient.name"]
        );
        let nowhere = "/Patient/$validate?profile=http://example.org/nowhere";
        assert_eq!(errors(&bo.post(nowhere, patient).await.json()), ["Patient"]);
        assert_eq!(bo.get("/Patient/p").await.status, StatusCode::NOT_FOUND);
    });
}

#[test]
fn what_is_stored_is_validated_where_it_stands() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        bo.put("/StructureDefinition/named", &profile()).await;
        bo.put(
            "/Patient/p",
            r#"{"resourceType":"Patient","id":"p","active":true}"#,
        )
        .await;
        let asked = format!("/Patient/p/$validate?profile={URL}");
        assert_eq!(errors(&bo.get(&asked).await.json()), ["Patient.name"]);
        assert_eq!(
            errors(&bo.get("/Patient/p/$validate").await.json()),
            [""; 0]
        );
        assert_eq!(
            bo.get("/Patient/nobody/$validate").await.status,
            StatusCode::NOT_FOUND
        );
        let other = r#"{"resourceType":"Patient","id":"q","name":[{"text":"x"}]}"#;
        let update = bo.post("/Patient/p/$validate?mode=update", other).await;
        assert_eq!(errors(&update.json()), ["Patient"]);
        // The profile goes, and with it what it asked.
        bo.send("DELETE", "/StructureDefinition/named", &[], "")
            .await;
        assert_eq!(errors(&bo.get(&asked).await.json()), ["Patient"]);
    });
}

#[test]
fn what_was_validated_stands_in_the_log() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        let patient = r#"{"resourceType":"Patient","id":"p","active":true}"#;
        bo.post("/Patient/p/$validate", patient).await;
        let pat = Client::of(&node, "pat").await;
        let log = pat.get("/AuditEvent/$log?patient=p").await.text();
        assert!(log.contains("$validate"), "{log}");
        node.store.clone().close().await;
    });
}

#[test]
fn what_validate_does_not_take_is_refused() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        let long = format!(
            r#"{{"resourceType":"Patient","active":true{}}}"#,
            " ".repeat(4 << 20)
        );
        let refused = bo.post("/Patient/$validate", &long).await;
        assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
        let patient = r#"{"resourceType":"Patient","active":true}"#;
        for (path, body) in [
            ("/Patient/$validate?frobnicate=1", patient),
            ("/Patient/$validate?mode=sing", patient),
            ("/Patient/$validate", "{"),
            ("/Patient/$validate", r#"{"resourceType":"Parameters"}"#),
        ] {
            let answer = bo.post(path, body).await;
            assert!(answer.status.is_client_error(), "{path}: {}", answer.status);
        }
        let wrong = bo
            .post("/Patient/$validate", r#"{"resourceType":"Group"}"#)
            .await;
        assert_eq!(wrong.status, StatusCode::OK);
        assert!(!errors(&wrong.json()).is_empty());
    });
}

#[test]
fn profiles_that_are_enforced_hold_at_every_way_in() {
    on_each_database(async |ground| {
        let mut node = node(ground).await;
        let door = &mut Arc::get_mut(&mut node).unwrap().fhir;
        door.enforced = Enforced {
            profiles: vec![URL.to_string()],
            declared: false,
        };
        let bo = Client::of(&node, "bo").await;
        let bad = r#"{"resourceType":"Patient","id":"p","active":true}"#;
        let good = r#"{"resourceType":"Patient","id":"p","name":[{"text":"x"}]}"#;
        // Nobody knows the profile yet.
        let made = bo.post("/Patient", bad).await;
        assert_eq!(made.status, StatusCode::CREATED);
        let was = made.json();
        bo.put("/StructureDefinition/named", &profile()).await;
        for answer in [
            bo.post("/Patient", bad).await,
            bo.put("/Patient/p", bad).await,
            bo.post("/", &format!(r#"{{"resourceType":"Bundle","type":"transaction","entry":[{{"resource":{bad},"request":{{"method":"POST","url":"Patient"}}}}]}}"#)).await,
        ] {
            assert!(answer.status.is_client_error(), "{}", answer.text());
            assert_eq!(answer.issue().1, "Patient.name");
        }
        assert_eq!(bo.put("/Patient/p", good).await.status, StatusCode::CREATED);
        let tag = r#"{"resourceType":"Parameters","parameter":[{"name":"meta","valueMeta":{"tag":[{"code":"t"}]}}]}"#;
        let added = bo
            .post(
                &format!("/Patient/{}/$meta-add", was["id"].as_str().unwrap()),
                tag,
            )
            .await;
        assert!(added.status.is_client_error(), "{}", added.text());
        assert_eq!(added.issue().1, "Patient.name");
        let sys = Client::system(&node).await;
        let headers = [
            ("prefer", "respond-async"),
            ("content-type", "application/fhir+ndjson"),
        ];
        let taken = sys.send("POST", "/$import", &headers, bad).await;
        assert_eq!(taken.status, StatusCode::ACCEPTED, "{}", taken.text());
        crate::fhir::operations::bulk_worker::work(&node).await;
        let there = bo.get("/Patient/p").await.text();
        assert!(there.contains("name"), "{there}");
        let group = r#"{"resourceType":"Group","type":"person","actual":true}"#;
        assert_eq!(bo.post("/Group", group).await.status, StatusCode::CREATED);
    });
}
