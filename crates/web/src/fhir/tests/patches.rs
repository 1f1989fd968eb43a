//! Patches through the door.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::StatusCode;
use http::header::ETAG;
use serde_json::json;
use store::testing::on_each_database;

use super::{Client, JANE, node};

const JSON_PATCH: (&str, &str) = ("content-type", "application/json-patch+json");

fn birth_date(date: &str) -> String {
    json!([{ "op": "replace", "path": "/birthDate", "value": date }]).to_string()
}

fn by_path(date: &str) -> serde_json::Value {
    json!({ "resourceType": "Parameters", "parameter": [{ "name": "operation", "part": [
        { "name": "type", "valueCode": "replace" },
        { "name": "path", "valueString": "Patient.birthDate" },
        { "name": "value", "valueDate": date },
    ] }] })
}

#[test]
fn a_patch_changes_what_it_names_and_nothing_else() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        bo.put("/Patient/jane", JANE).await;
        let patched = bo
            .send(
                "PATCH",
                "/Patient/jane",
                &[JSON_PATCH],
                &birth_date("1971-01-01"),
            )
            .await;
        assert_eq!(
            (patched.status, patched.header(ETAG)),
            (StatusCode::OK, "W/\"2\""),
            "{}",
            patched.text()
        );
        assert_eq!(patched.json()["birthDate"], "1971-01-01");
        assert_eq!(patched.json()["name"][0]["family"], "Example");
        let patched = bo
            .send("PATCH", "/Patient/jane", &[], &by_path("1972").to_string())
            .await;
        assert_eq!(patched.json()["birthDate"], "1972", "{}", patched.text());
        let xml = r#"<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="operation"/><part><name value="type"/><valueCode value="delete"/></part><part><name value="path"/><valueString value="Patient.birthDate"/></part></parameter></Parameters>"#;
        let as_xml = [("content-type", "application/fhir+xml")];
        let patched = bo.send("PATCH", "/Patient/jane", &as_xml, xml).await;
        assert!(patched.json()["birthDate"].is_null(), "{}", patched.text());

        let refused = async |address: &str, headers: &[(&str, &str)], body: &str| {
            let refused = bo.send("PATCH", address, headers, body).await;
            (refused.status.as_u16(), refused.issue().0)
        };
        let patch = birth_date("1973");
        let cases = [
            (
                "/Patient/jane",
                vec![JSON_PATCH],
                patch.as_str(),
                422,
                "processing",
            ),
            (
                "/Patient/jane",
                vec![JSON_PATCH],
                r#"[{"op":"add","path":"/nam","value":1}]"#,
                400,
                "structure",
            ),
            (
                "/Patient/jane",
                vec![JSON_PATCH],
                r#"[{"op":"replace","path":"/id","value":"x"}]"#,
                400,
                "invalid",
            ),
            ("/Patient/jane", vec![JSON_PATCH], "[", 400, "structure"),
            (
                "/Patient/jane",
                vec![("content-type", "application/xml-patch+xml")],
                "x",
                415,
                "not-supported",
            ),
            (
                "/Patient/never",
                vec![JSON_PATCH],
                patch.as_str(),
                404,
                "not-found",
            ),
            (
                "/Patient?_id=never",
                vec![JSON_PATCH],
                patch.as_str(),
                404,
                "not-found",
            ),
            ("/Patient", vec![JSON_PATCH], patch.as_str(), 400, "invalid"),
            (
                "/Patient/jane",
                vec![JSON_PATCH, ("if-match", "W/\"1\"")],
                "[]",
                412,
                "conflict",
            ),
        ];
        for (address, headers, body, status, code) in cases {
            let expected = (status, code.to_string());
            assert_eq!(
                refused(address, &headers, body).await,
                expected,
                "{address} {body}"
            );
        }
        let jane = Client::of(&node, "jane").await;
        let refused = jane
            .send("PATCH", "/Patient/jane", &[JSON_PATCH], "[]")
            .await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        node.store.clone().close().await;
    });
}

#[test]
fn of_many_patches_at_once_none_is_lost() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        bo.put("/Patient/jane", JANE).await;
        let patches = (0..16).map(|number| {
            let bo = bo.clone();
            let patch =
                json!([{ "op": "add", "path": "/name/0/given/-", "value": format!("G{number}") }]);
            tokio::spawn(async move {
                let address = ["/Patient/jane", "/Patient?_id=jane"][number % 2];
                bo.send("PATCH", address, &[JSON_PATCH], &patch.to_string())
                    .await
                    .status
            })
        });
        for patch in patches.collect::<Vec<_>>() {
            assert_eq!(patch.await.unwrap(), StatusCode::OK);
        }
        let jane = bo.get("/Patient/jane").await.json();
        assert_eq!(
            jane["name"][0]["given"].as_array().unwrap().len(),
            17,
            "{jane}"
        );
        assert_eq!(jane["meta"]["versionId"], "17");
        node.store.clone().close().await;
    });
}

#[test]
fn patches_stand_in_bundles() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        bo.put("/Patient/jane", JANE).await;
        bo.put("/Patient/john", &JANE.replace("jane", "john")).await;
        let binary = json!({
            "resourceType": "Binary",
            "contentType": "application/json-patch+json",
            "data": BASE64_STANDARD.encode(birth_date("1975")),
        });
        let bundle = |entries: serde_json::Value| {
            json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries }).to_string()
        };
        let done = bo.post("", &bundle(json!([
            { "resource": binary, "request": { "method": "PATCH", "url": "Patient/jane", "ifMatch": "W/\"1\"" } },
            { "resource": by_path("1976"), "request": { "method": "PATCH", "url": "Patient?_id=john" } },
            { "request": { "method": "GET", "url": "Patient/jane" } },
        ]))).await;
        assert_eq!(done.status, StatusCode::OK, "{}", done.text());
        assert_eq!(done.json()["entry"][2]["resource"]["birthDate"], "1975");
        assert_eq!(bo.get("/Patient/john").await.json()["birthDate"], "1976");
        // One that does not fit undoes all.
        let refused = bo.post("", &bundle(json!([
            { "resource": { "resourceType": "Patient", "id": "new" }, "request": { "method": "PUT", "url": "Patient/new" } },
            { "resource": by_path("1977"), "request": { "method": "PATCH", "url": "Patient/never" } },
        ]))).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND);
        assert_eq!(bo.get("/Patient/new").await.status, StatusCode::NOT_FOUND);
        node.store.clone().close().await;
    });
}
