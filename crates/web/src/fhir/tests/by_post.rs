//! Operations by POST, `$meta` of a type and of all, and the conditional delete of several.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};
use store::testing::on_each_database;

use super::{Client, JANE, node, observation};
use crate::fhir::ConditionalDelete;

fn parameters(some: &[(&str, &str, Value)]) -> String {
    let some = some
        .iter()
        .map(|(name, kind, value)| json!({ "name": name, *kind: value }));
    json!({ "resourceType": "Parameters", "parameter": some.collect::<Vec<_>>() }).to_string()
}

fn without_links(bundle: &Value) -> Value {
    bundle["entry"].clone()
}

#[test]
fn an_operation_answers_a_post_with_parameters_as_it_does_a_get() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let (bo, sys) = (Client::of(&node, "bo").await, Client::system(&node).await);
        bo.put("/Patient/jane", JANE).await;
        bo.put("/Patient/john", &JANE.replace("jane", "john")).await;
        let encounter = r#"{"resourceType":"Encounter","id":"e","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/jane"}}"#;
        bo.put("/Encounter/e", encounter).await;
        for (id, who) in [("o1", "jane"), ("o2", "jane"), ("o3", "john")] {
            bo.put(&format!("/Observation/{id}"), &observation(id, who))
                .await;
        }
        let of_type = parameters(&[("_type", "valueString", "Observation".into())]);
        for (path, query, body) in [
            ("/Patient/jane/$everything", "", String::new()),
            (
                "/Patient/jane/$everything",
                "_type=Observation",
                of_type.clone(),
            ),
            (
                "/Patient/jane/$everything",
                "_count=1",
                parameters(&[("_count", "valueInteger", 1.into())]),
            ),
            ("/Encounter/e/$everything", "", String::new()),
            (
                "/Observation/$lastn",
                "subject=Patient/jane&max=2&code=http://loinc.org%7C8480-6",
                parameters(&[
                    (
                        "subject",
                        "valueReference",
                        json!({ "reference": "Patient/jane" }),
                    ),
                    ("max", "valuePositiveInt", 2.into()),
                    (
                        "code",
                        "valueCoding",
                        json!({ "system": "http://loinc.org", "code": "8480-6" }),
                    ),
                ]),
            ),
        ] {
            let by_get = bo.get(&format!("{path}?{query}")).await;
            let by_post = bo.post(path, &body).await;
            assert_eq!(by_get.status, StatusCode::OK, "{path} {}", by_get.text());
            assert_eq!(by_post.status, StatusCode::OK, "{path} {}", by_post.text());
            assert!(by_post.json()["entry"].is_array(), "{path}");
            assert_eq!(
                without_links(&by_get.json()),
                without_links(&by_post.json()),
                "{path}"
            );
        }
        let everybody = sys.post("/Patient/$everything", &of_type).await;
        assert_eq!(everybody.json()["entry"].as_array().unwrap().len(), 3);
        // The next page of what was asked by POST is there by GET.
        let first = bo
            .post(
                "/Patient/jane/$everything",
                &parameters(&[("_count", "valueInteger", 1.into())]),
            )
            .await;
        let next = first.json()["link"][1]["url"].as_str().unwrap().to_string();
        let next = bo.get(next.strip_prefix(super::BASE).unwrap()).await;
        assert_eq!(next.status, StatusCode::OK, "{}", next.text());
        let unknown = parameters(&[("depth", "valueInteger", 1.into())]);
        let refused = bo.post("/Patient/jane/$everything", &unknown).await;
        assert_eq!(
            refused.status,
            StatusCode::BAD_REQUEST,
            "{}",
            refused.text()
        );
        let kick_off = [("prefer", "respond-async")];
        for path in ["/$export?_purpose=TREAT", "/Patient/$export?_purpose=TREAT"] {
            let started = sys.send("POST", path, &kick_off, &of_type).await;
            assert_eq!(started.status, StatusCode::ACCEPTED, "{}", started.text());
            assert!(started.header("content-location").contains("/$bulk/"));
        }
        let refused = sys.send("POST", "/$export", &kick_off, &unknown).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        let resource = json!({ "resourceType": "Patient", "gender": "no" });
        let wrapped = json!({ "resourceType": "Parameters", "parameter": [
            { "name": "mode", "valueCode": "create" },
            { "name": "resource", "resource": resource },
        ] });
        let told = bo.post("/Patient/$validate", &wrapped.to_string()).await;
        assert!(told.text().contains("Patient.gender"), "{}", told.text());
        node.store.clone().close().await;
    });
}

#[test]
fn the_labels_in_use_are_told_of_a_type_and_of_all_as_far_as_one_may_see() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        let none = bo.get("/$meta").await;
        assert_eq!(none.json(), json!({ "resourceType": "Parameters" }));
        let labelled = |resource: &str, meta: Value| {
            let mut resource: Value = serde_json::from_str(resource).unwrap();
            resource["meta"] = meta;
            resource.to_string()
        };
        let tag = json!({ "tag": [{ "system": "urn:x", "code": "seen" }, { "code": "bare" }] });
        bo.put("/Patient/jane", &labelled(JANE, tag)).await;
        let secret = json!({
            "security": [{ "system": "urn:x", "code": "R" }],
            "profile": ["https://fhir.example/p"],
        });
        bo.put(
            "/Observation/o",
            &labelled(&observation("o", "jane"), secret),
        )
        .await;
        let meta = |answer: &super::Answer| answer.json()["parameter"][0]["valueMeta"].clone();
        let of_all = meta(&bo.get("/$meta").await);
        assert_eq!(of_all["profile"], json!(["https://fhir.example/p"]));
        assert_eq!(
            of_all["security"],
            json!([{ "system": "urn:x", "code": "R" }])
        );
        assert_eq!(of_all["tag"].as_array().unwrap().len(), 2, "{of_all}");
        let of_patients = meta(&bo.get("/Patient/$meta").await);
        assert_eq!(of_patients.get("security"), None);
        assert_eq!(of_patients["tag"], of_all["tag"]);
        // What is held back from the patient is not told of either.
        let jane = Client::of(&node, "jane").await;
        assert_eq!(meta(&jane.get("/$meta").await), of_patients);
        assert_eq!(bo.get("/Nothing/$meta").await.status, StatusCode::NOT_FOUND);
        node.store.clone().close().await;
    });
}

#[test]
fn a_conditional_delete_deletes_one_or_none_or_where_the_settings_say_so_all_that_match() {
    on_each_database(async |ground| {
        let mut node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        for (id, who) in [("o1", "jane"), ("o2", "jane"), ("o3", "john")] {
            bo.put(&format!("/Observation/{id}"), &observation(id, who))
                .await;
        }
        let told = bo.get("/metadata").await.json();
        assert_eq!(
            told["rest"][0]["resource"][0]["conditionalDelete"],
            "single"
        );
        let of_jane = "/Observation?subject=Patient/jane";
        let refused = bo.send("DELETE", of_jane, &[], "").await;
        assert_eq!(refused.status, StatusCode::PRECONDITION_FAILED);
        drop(bo);
        let inner = Arc::get_mut(&mut node).unwrap();
        inner.fhir = crate::fhir::Door {
            conditional_delete: ConditionalDelete::Multiple,
            ..Default::default()
        };
        inner.fhir.bounds.deleted_max = 2;
        let bo = Client::of(&node, "bo").await;
        let told = bo.get("/metadata").await.json();
        assert_eq!(
            told["rest"][0]["resource"][0]["conditionalDelete"],
            "multiple"
        );
        let too_many = bo.send("DELETE", "/Observation?code=8480-6", &[], "").await;
        assert_eq!(too_many.issue().0, "too-costly");
        let tag = [("if-match", "W/\"1\"")];
        let refused = bo.send("DELETE", of_jane, &tag, "").await;
        assert_eq!(refused.status, StatusCode::PRECONDITION_FAILED);
        assert_eq!(bo.get("/Observation/o1").await.status, StatusCode::OK);
        let gone = bo.send("DELETE", of_jane, &[], "").await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT, "{}", gone.text());
        for (id, status) in [
            ("o1", StatusCode::GONE),
            ("o2", StatusCode::GONE),
            ("o3", StatusCode::OK),
        ] {
            assert_eq!(
                bo.get(&format!("/Observation/{id}")).await.status,
                status,
                "{id}"
            );
        }
        let none = bo.send("DELETE", of_jane, &[], "").await;
        assert_eq!(none.status, StatusCode::NO_CONTENT);
        let refused = bo.send("DELETE", "/Observation", &[], "").await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        node.store.clone().close().await;
    });
}
