//! One resource at a time, and searches.

use http::StatusCode;
use http::header::{ETAG, LOCATION};
use serde_json::Value;
use store::testing::on_each_database;

use super::{BASE, Client, JANE, node, observation};
use crate::fhir::Bounds;

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
            .send("POST", "/Patient", &sent_as("text/turtle"), "<Patient/>")
            .await;
        assert_eq!(xml.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        let asked = bo
            .send("GET", "/Patient/jane", &[("accept", "text/turtle")], "")
            .await;
        assert_eq!(asked.status, StatusCode::NOT_ACCEPTABLE);
        assert_eq!(
            bo.get("/Patient/jane?_format=ttl").await.status,
            StatusCode::NOT_ACCEPTABLE
        );
        assert_eq!(
            bo.get("/Patient/jane?_summary=some").await.status,
            StatusCode::BAD_REQUEST
        );
        for id in ["%00", "a%2Fb", "'--", "a%20b", "%C3%A9"] {
            for path in [
                format!("/Patient/{id}"),
                format!("/Patient/{id}/_history/1"),
            ] {
                let answer = bo.get(&path).await;
                assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
            }
        }
        assert_eq!(bo.get("/Nobody/jane").await.status, StatusCode::NOT_FOUND);
        assert_eq!(bo.get("/a/b/c/d").await.status, StatusCode::NOT_FOUND);
        let brew = bo.send("BREW", "/Patient/jane", &[], "").await;
        assert_eq!(
            (brew.status, brew.issue().0.as_str()),
            (StatusCode::METHOD_NOT_ALLOWED, "not-supported")
        );
        let large = "x".repeat(Bounds::default().resource_bytes_max + 1);
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
