//! `$meta`, `$document`, `$lastn` and `$match` through the door.

use http::StatusCode;
use serde_json::{Value, json};
use store::testing::on_each_database;

use super::{Client, JANE, linked, node, observation, release};

fn labels(of: &Value) -> Vec<String> {
    let labels = of["parameter"][0]["valueMeta"]["security"]
        .as_array()
        .cloned();
    let labels = labels.unwrap_or_default();
    labels
        .iter()
        .map(|label| label["code"].as_str().unwrap().to_string())
        .collect()
}

fn meta(kind: &str, code: &str) -> String {
    let coding = json!([{ "system": "urn:x", "code": code }]);
    json!({ "resourceType": "Parameters", "parameter": [{ "name": "meta", "valueMeta": { kind: coding } }] })
        .to_string()
}

#[test]
fn a_label_that_is_added_holds_the_resource_back_and_only_a_clinician_takes_it_away() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let (bo, ann) = (
            Client::of(&node, "bo").await,
            Client::of(&node, "ann").await,
        );
        let jane = Client::of(&node, "jane").await;
        bo.put("/Patient/jane", JANE).await;
        bo.put("/Observation/o", &observation("o", "jane")).await;
        release(&node, "Observation", "o").await;
        assert_eq!(
            jane.get("/Observation/o/$meta").await.status,
            StatusCode::OK
        );
        // Adding is everybody's; it makes a version and holds back.
        let added = ann
            .post("/Observation/o/$meta-add", &meta("security", "third-party"))
            .await;
        assert_eq!(added.status, StatusCode::OK, "{}", added.text());
        assert_eq!(labels(&added.json()), ["third-party"]);
        assert_eq!(
            jane.get("/Observation/o").await.status,
            StatusCode::NOT_FOUND
        );
        assert_eq!(
            jane.get("/Observation/o/$meta").await.status,
            StatusCode::NOT_FOUND
        );
        let same = ann
            .post("/Observation/o/$meta-add", &meta("security", "third-party"))
            .await;
        assert_eq!(labels(&same.json()), ["third-party"]);
        assert_eq!(
            bo.get("/Observation/o").await.json()["meta"]["versionId"],
            "2"
        );
        let remove = meta("security", "third-party");
        let refused = ann.post("/Observation/o/$meta-delete", &remove).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert_eq!(
            labels(&bo.get("/Observation/o/$meta").await.json()),
            ["third-party"]
        );
        let removed = bo.post("/Observation/o/$meta-delete", &remove).await;
        assert_eq!(removed.status, StatusCode::OK, "{}", removed.text());
        assert!(labels(&removed.json()).is_empty());
        // To take it away releases nothing.
        assert_eq!(
            jane.get("/Observation/o").await.status,
            StatusCode::NOT_FOUND
        );
        let log = Client::of(&node, "pat").await.get("/AuditEvent/$log").await;
        assert!(log.text().contains("remove-label"), "{}", log.text());
        // A tag is nobody's secret.
        ann.post("/Observation/o/$meta-add", &meta("tag", "seen"))
            .await;
        let gone = ann
            .post("/Observation/o/$meta-delete", &meta("tag", "seen"))
            .await;
        assert_eq!(gone.status, StatusCode::OK);
        // All else is as it was, to the digit.
        assert!(
            bo.get("/Observation/o")
                .await
                .text()
                .contains("\"value\":1.50")
        );
        for wrong in [
            "{}",
            r#"{"resourceType":"Parameters"}"#,
            &meta("tag", "x").replace("\"meta\"", "\"m\""),
        ] {
            let refused = bo.post("/Observation/o/$meta-add", wrong).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{wrong}");
        }
        assert_eq!(
            jane.post("/Observation/o/$meta-add", &remove).await.status,
            StatusCode::FORBIDDEN
        );
        node.store.clone().close().await;
    });
}

#[test]
fn a_change_of_meta_answers_with_the_version_that_it_made() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        bo.put("/Patient/jane", JANE).await;
        for (operation, version) in [
            ("$meta-add", "2"),
            // Nothing changes, and no version is made.
            ("$meta-add", "2"),
            ("$meta-delete", "3"),
        ] {
            ground.clock().advance(1000);
            let path = format!("/Patient/jane/{operation}");
            let told = bo.post(&path, &meta("tag", "seen")).await;
            assert_eq!(told.status, StatusCode::OK, "{}", told.text());
            let told = told.json();
            let meta = &told["parameter"][0]["valueMeta"];
            assert_eq!(meta["versionId"], version, "{told}");
            let stored = bo.get("/Patient/jane").await.json();
            assert_eq!(*meta, stored["meta"]);
        }
        node.store.clone().close().await;
    });
}

const COMPOSITION: &str = r#"{"resourceType":"Composition","id":"c","status":"final","type":{"text":"x"},"subject":{"reference":"Patient/jane"},"date":"2026-01-01","author":[{"reference":"Practitioner/d"}],"title":"x","section":[{"section":[{"entry":[{"reference":"Observation/o"},{"reference":"Observation/gone"}]}]}]}"#;

#[test]
fn a_document_holds_what_its_composition_refers_to_and_its_reader_may_read() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        bo.put("/Patient/jane", JANE).await;
        bo.put(
            "/Practitioner/d",
            r#"{"resourceType":"Practitioner","id":"d"}"#,
        )
        .await;
        bo.put("/Observation/o", &observation("o", "jane")).await;
        bo.put("/Composition/c", COMPOSITION).await;
        let names = |bundle: &Value| -> Vec<String> {
            let entries = bundle["entry"].as_array().unwrap();
            entries
                .iter()
                .map(|entry| {
                    entry["resource"]["resourceType"]
                        .as_str()
                        .unwrap()
                        .to_string()
                })
                .collect()
        };
        let document = bo.get("/Composition/c/$document").await;
        assert_eq!(document.status, StatusCode::OK, "{}", document.text());
        assert_eq!(
            names(&document.json()),
            ["Composition", "Observation", "Patient", "Practitioner"]
        );
        let jane = Client::of(&node, "jane").await;
        assert_eq!(
            jane.get("/Composition/c/$document").await.status,
            StatusCode::NOT_FOUND
        );
        release(&node, "Composition", "c").await;
        let own = jane.get("/Composition/c/$document").await;
        assert_eq!(names(&own.json()), ["Composition", "Patient"]);
        // What only looks changes nothing.
        let by_get = bo.get("/Composition/c/$document?persist=true").await;
        assert_eq!(by_get.status, StatusCode::METHOD_NOT_ALLOWED);
        let bundles = bo.get("/Bundle").await.json();
        assert!(bundles.get("entry").is_none(), "{bundles}");
        let not_kept = bo.post("/Composition/c/$document", "").await;
        assert_eq!(not_kept.status, StatusCode::OK, "{}", not_kept.text());
        let bundles = bo.get("/Bundle").await.json();
        assert!(bundles.get("entry").is_none(), "{bundles}");
        let wish =
            r#"{"resourceType":"Parameters","parameter":[{"name":"persist","valueBoolean":true}]}"#;
        let kept = bo.post("/Composition/c/$document", wish).await;
        let place = kept
            .header("location")
            .strip_prefix(super::BASE)
            .unwrap()
            .to_string();
        let again = bo.get(&place).await;
        assert_eq!(again.json()["entry"], kept.json()["entry"]);
        let refused = jane.post("/Composition/c/$document?persist=true", "").await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert_eq!(
            bo.get("/Composition/none/$document").await.status,
            StatusCode::NOT_FOUND
        );
        node.store.clone().close().await;
    });
}

fn dated(id: &str, subject: &str, code: &str, day: &str) -> String {
    observation(id, subject).replace("8480-6", code).replacen(
        "\"status\"",
        &format!("\"effectiveDateTime\":\"{day}\",\"status\""),
        1,
    )
}

#[test]
fn the_last_observations_of_each_code_come_the_most_recent_first() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        for (id, subject, code, day) in [
            ("a1", "jane", "a", "2024-01-01"),
            ("a3", "jane", "a", "2024-01-03"),
            ("a2", "jane", "a", "2024-01-02"),
            ("b1", "jane", "b", "2020-01-01"),
            ("b2", "jane", "b", "2020-01-01"),
            ("a9", "john", "a", "2024-01-09"),
        ] {
            bo.put(
                &format!("/Observation/{id}"),
                &dated(id, subject, code, day),
            )
            .await;
        }
        let ids = async |client: &Client, query: &str| -> Vec<String> {
            let answer = client.get(&format!("/Observation/$lastn?{query}")).await;
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
            let entries = answer.json()["entry"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            entries
                .iter()
                .map(|entry| entry["resource"]["id"].as_str().unwrap().to_string())
                .collect()
        };
        // Two at the same time are both the last.
        assert_eq!(ids(&bo, "patient=Patient/jane").await, ["a3", "b1", "b2"]);
        assert_eq!(
            ids(&bo, "patient=Patient/jane&code=a&max=2").await,
            ["a3", "a2"]
        );
        release(&node, "Observation", "a1").await;
        release(&node, "Observation", "a9").await;
        let jane = Client::of(&node, "jane").await;
        assert_eq!(ids(&jane, "").await, ["a1"]);
        assert!(ids(&jane, "patient=Patient/john").await.is_empty());
        for query in [
            "",
            "patient=Patient/jane&max=0",
            "patient=Patient/jane&_sort=date",
            "patient=Patient/jane&_include:iterate=Observation:subject",
            "patient=Patient/jane&_revinclude:iterate=Provenance:target",
            "subject:missing=false",
            "patient:missing=false",
        ] {
            let refused = bo.get(&format!("/Observation/$lastn?{query}")).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{query}");
        }
        node.store.clone().close().await;
    });
}

#[test]
fn the_last_observations_of_a_patient_may_stand_under_the_record_that_theirs_replaced() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        let plain = |id: &str| format!(r#"{{"resourceType":"Patient","id":"{id}"}}"#);
        for (path, text) in [
            ("/Patient/new", plain("new")),
            ("/Patient/old", plain("old")),
            ("/Patient/new", linked("new", "replaces", "old")),
            ("/Patient/old", linked("old", "replaced-by", "new")),
            ("/Observation/a1", dated("a1", "new", "a", "2024-01-01")),
            ("/Observation/a2", dated("a2", "old", "a", "2024-01-02")),
            ("/Observation/b1", dated("b1", "old", "b", "2020-01-01")),
        ] {
            let made = bo.put(path, &text).await;
            assert!(made.status.is_success(), "{path}: {}", made.text());
        }
        for (patient, expected) in [("new", ["a2", "b1"]), ("old", ["a2", "b1"])] {
            let answer = bo
                .get(&format!("/Observation/$lastn?patient=Patient/{patient}"))
                .await;
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
            let found = answer.json()["entry"].as_array().cloned().unwrap();
            let ids: Vec<&str> = found
                .iter()
                .map(|entry| entry["resource"]["id"].as_str().unwrap())
                .collect();
            assert_eq!(ids, expected, "{patient}");
        }
        node.store.clone().close().await;
    });
}

fn asked(patient: &str, more: &str) -> String {
    format!(
        r#"{{"resourceType":"Parameters","parameter":[{{"name":"resource","resource":{patient}}}{more}]}}"#
    )
}

const NUMBER: &str =
    r#""identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9434765919"}]"#;

#[test]
fn a_match_is_graded_and_never_on_the_number_alone() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        let known = JANE.replacen("\"id\"", &format!("{NUMBER},\"id\""), 1);
        bo.put("/Patient/jane", &known).await;
        bo.put("/Patient/other", r#"{"resourceType":"Patient","id":"other","name":[{"family":"Example","given":["Janet"]}],"birthDate":"1970-03-02"}"#).await;
        let grades = async |client: &Client, body: &str| -> Vec<(String, String)> {
            let answer = client.post("/Patient/$match", body).await;
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
            let entries = answer.json()["entry"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let one = |entry: &Value| {
                let grade = entry["search"]["extension"][0]["valueCode"]
                    .as_str()
                    .unwrap();
                (
                    entry["resource"]["id"].as_str().unwrap().to_string(),
                    grade.to_string(),
                )
            };
            entries.iter().map(one).collect()
        };
        let number = format!(r#"{{"resourceType":"Patient",{NUMBER}}}"#);
        assert!(grades(&bo, &asked(&number, "")).await.is_empty());
        let whole = known.replace("\"id\":\"jane\",", "");
        let found = grades(&bo, &asked(&whole, "")).await;
        assert_eq!(found[0], ("jane".into(), "certain".into()));
        let certain = r#",{"name":"onlyCertainMatches","valueBoolean":true}"#;
        assert_eq!(grades(&bo, &asked(&whole, certain)).await.len(), 1);
        let named = whole.replace(&format!("{NUMBER},"), "");
        assert!(grades(&bo, &asked(&named, certain)).await.is_empty());
        let found = grades(&bo, &asked(&named, "")).await;
        assert_eq!(found[0], ("jane".into(), "possible".into()));
        // Who is beyond the scope is never compared.
        let jane = Client::of(&node, "jane").await;
        let other = r#"{"resourceType":"Patient","name":[{"family":"Example","given":["Janet"]}],"birthDate":"1970-03-02"}"#;
        assert_eq!(grades(&bo, &asked(other, "")).await[0].0, "other");
        assert!(
            grades(&jane, &asked(other, ""))
                .await
                .iter()
                .all(|(id, _)| id == "jane")
        );
        // Signs that a search gives a meaning are only signs here.
        let odd = r#"{"resourceType":"Patient","name":[{"family":"a,b|c$d\\"}],"birthDate":"1970-02-03"}"#;
        assert!(grades(&bo, &asked(odd, "")).await.is_empty());
        for wrong in [
            "{}".to_string(),
            asked(r#"{"resourceType":"Patient"}"#, ""),
            asked(&whole, r#",{"name":"count","valueInteger":0}"#),
            asked(&whole, r#",{"name":"frob","valueInteger":1}"#),
            asked(
                r#"{"resourceType":"Observation","status":"final","code":{"text":"x"}}"#,
                "",
            ),
        ] {
            let refused = bo.post("/Patient/$match", &wrong).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{wrong}");
        }
        node.store.clone().close().await;
    });
}
