//! Transactions and batches.

use http::StatusCode;
use serde_json::{Value, json};
use store::testing::on_each_database;

use super::{Client, node};

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
        assert_eq!(
            refused.status,
            StatusCode::PRECONDITION_FAILED,
            "{}",
            refused.text()
        );
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
        bo.put("/Patient/p1", r#"{"resourceType":"Patient","id":"p1"}"#)
            .await;
        let entries = json!([
            { "resource": { "resourceType": "Patient", "id": "p2" }, "request": { "method": "PUT", "url": "Patient/p2" } },
            { "resource": { "resourceType": "Patient", "nam": 1 }, "request": { "method": "POST", "url": "Patient" } },
            { "request": { "method": "GET", "url": "Patient/never" } },
            { "request": { "method": "DELETE", "url": "Patient?active=true" } },
            { "request": { "method": "GET", "url": "Patient/p1/_history" } },
            { "request": { "method": "GET", "url": "Patient/p1", "ifNoneMatch": "W/\"1\"" } },
            { "request": { "method": "HEAD", "url": "Patient/p1" } },
            { "resource": { "resourceType": "Patient", "id": "p1" }, "request": { "method": "PUT", "url": "Patient/p1", "ifMatch": "W/\"9\"" } },
            { "request": { "method": "GET", "url": "Patient/p1/no/such" } },
            { "request": { "method": "GET", "url": "Patient?identifier=a%20b|c" } },
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
                "204 No Content",
                "200 OK",
                "304 Not Modified",
                "200 OK",
                "412 Precondition Failed",
                "404 Not Found",
                "200 OK",
            ]
        );
        assert_eq!(done["entry"][4]["resource"]["type"], "history");
        assert!(done["entry"][6]["resource"].is_null());
        assert_eq!(done["entry"][6]["response"]["etag"], "W/\"1\"");
        assert_eq!(bo.get("/Patient/p2").await.status, StatusCode::OK);
        node.store.clone().close().await;
    });
}

#[test]
fn thousands_of_entries_with_conditions_go_in_one_bundle() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        let entry = |number: usize| {
            let identifier = json!([{ "system": "urn:s", "value": number.to_string() }]);
            let condition = format!("identifier=urn:s|{number}");
            match number % 3 {
                0 => json!({
                    "resource": { "resourceType": "Patient", "identifier": identifier },
                    "request": { "method": "POST", "url": "Patient", "ifNoneExist": condition },
                }),
                1 => json!({
                    "resource": { "resourceType": "Patient", "identifier": identifier },
                    "request": { "method": "PUT", "url": format!("Patient?{condition}") },
                }),
                _ => json!({
                    "resource": { "resourceType": "Patient", "id": format!("p{number}") },
                    "request": { "method": "PUT", "url": format!("Patient/p{number}") },
                }),
            }
        };
        let entries: Vec<Value> = (0..2400).map(entry).collect();
        let sent = bundle("transaction", Value::Array(entries));
        let done = bo.post("", &sent).await;
        assert_eq!(done.status, StatusCode::OK, "{}", done.text());
        let statuses = |done: &Value, status: &str| {
            let entries = done["entry"].as_array().unwrap();
            entries
                .iter()
                .filter(|entry| entry["response"]["status"] == status)
                .count()
        };
        assert_eq!(statuses(&done.json(), "201 Created"), 2400);
        let again = bo.post("", &sent).await;
        assert_eq!(again.status, StatusCode::OK, "{}", again.text());
        assert_eq!(statuses(&again.json(), "200 OK"), 2400);
        let total = bo.get("/Patient?_count=0").await.json();
        assert_eq!(total["total"], 2400);
        node.store.clone().close().await;
    });
}

#[test]
fn an_entry_may_post_an_operation_or_a_search_and_a_transaction_none_that_it_could_not_take_back() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        bo.put("/Patient/jane", super::JANE).await;
        let wish = |name: &str, kind: &str, value: Value| json!({ "resourceType": "Parameters", "parameter": [{ "name": name, kind: value }] });
        let call = |url: &str| json!({ "request": { "method": "POST", "url": url } });
        let with = |url: &str, given: Value| json!({ "resource": given, "request": { "method": "POST", "url": url } });
        let tag = wish(
            "meta",
            "valueMeta",
            json!({ "tag": [{ "system": "urn:x", "code": "seen" }] }),
        );
        let entries = json!([
            with(
                "Patient/_search",
                wish("family", "valueString", "example".into())
            ),
            call("Patient/_search?family=nobody"),
            call("Patient/jane/$everything"),
            with(
                "Patient/$validate",
                json!({ "resourceType": "Patient", "gender": "no" })
            ),
            with("Patient/jane/$meta-add", tag.clone()),
            call("Patient/jane/$nothing"),
            with(
                "Observation/$lastn",
                wish(
                    "subject",
                    "valueReference",
                    json!({ "reference": "Patient/jane" })
                )
            ),
        ]);
        let done = bo.post("", &bundle("batch", entries)).await.json();
        let status =
            |at: usize| done["entry"][at]["response"]["status"].as_str().unwrap()[..3].to_string();
        let found = |at: usize| {
            done["entry"][at]["resource"]["entry"]
                .as_array()
                .map_or(0, Vec::len)
        };
        let statuses: Vec<String> = (0..7).map(status).collect();
        assert_eq!(
            statuses,
            ["200", "200", "200", "400", "200", "405", "200"],
            "{done}"
        );
        assert_eq!((found(0), found(1), found(2)), (1, 0, 1), "{done}");
        // A Bundle holds what is valid R4, or its entry is refused with what is wrong.
        let outcome = &done["entry"][3]["response"]["outcome"];
        assert!(outcome.to_string().contains("gender"));
        assert!(done["entry"][5]["response"]["outcome"].is_object());
        assert_eq!(
            bo.get("/Patient/jane").await.json()["meta"]["tag"][0]["code"],
            "seen"
        );
        // A transaction's operations see what it has made.
        let entries = json!([
            call("Patient/john/$everything"),
            { "resource": { "resourceType": "Patient", "id": "john" }, "request": { "method": "PUT", "url": "Patient/john" } },
        ]);
        let done = bo.post("", &bundle("transaction", entries)).await.json();
        assert_eq!(
            done["entry"][0]["resource"]["entry"]
                .as_array()
                .unwrap()
                .len(),
            1,
            "{done}"
        );
        let entries = json!([
            with("Patient/jane/$meta-add", tag),
            { "resource": { "resourceType": "Patient", "id": "jack" }, "request": { "method": "PUT", "url": "Patient/jack" } },
        ]);
        let refused = bo.post("", &bundle("transaction", entries)).await;
        let place = "Bundle.entry[0].request.url";
        assert_eq!(refused.issue(), ("not-supported".into(), place.into()));
        assert_eq!(bo.get("/Patient/jack").await.status, StatusCode::NOT_FOUND);
        node.store.clone().close().await;
    });
}

#[test]
fn what_is_refused_inside_a_bundle_leaves_its_line_in_the_log() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let (bo, pat) = (
            Client::of(&node, "bo").await,
            Client::of(&node, "pat").await,
        );
        let labelled = json!({ "resourceType": "Patient", "id": "p", "meta": { "security": [{ "code": "R" }] } });
        bo.put("/Patient/p", &labelled.to_string()).await;
        let bare = json!({ "resourceType": "Patient", "id": "p" });
        let relabelled =
            json!({ "resource": bare, "request": { "method": "PUT", "url": "Patient/p" } });
        let hook = json!({ "resourceType": "Subscription", "id": "s", "status": "requested", "reason": "x", "criteria": "Patient", "channel": { "type": "rest-hook", "endpoint": "https://a.example" } });
        let subscribed =
            json!({ "resource": hook, "request": { "method": "PUT", "url": "Subscription/s" } });
        let log = async || pat.get("/AuditEvent/$log").await.text();
        let refused_lines = async || log().await.matches(r#""outcome":"4""#).count();
        let before = refused_lines().await;
        for (number, entry) in [relabelled, subscribed].into_iter().enumerate() {
            for kind in ["batch", "transaction"] {
                let answer = bo.post("", &bundle(kind, json!([entry]))).await;
                assert!(answer.text().contains("forbidden"), "{}", answer.text());
            }
            let log = log().await;
            assert_eq!(refused_lines().await, before + 2 * (number + 1), "{log}");
        }
        let log = log().await;
        assert!(
            log.contains("Subscription/s") && log.contains("Patient/p"),
            "{log}"
        );
        node.store.clone().close().await;
    });
}
