//! Who may do what, what the log tells, what the node says of itself.

use axum::body::Body;
use http::header::ACCEPT;
use http::{Request, StatusCode};
use store::testing::on_each_database;

use super::{BASE, Client, JANE, node, observation};
use crate::testing::Browser;

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
        for (method, path) in [
            ("PUT", "/Patient/jane"),
            ("POST", "/Patient"),
            ("POST", "/"),
        ] {
            let refused = jane.send(method, path, &[], JANE).await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{method} {path}");
        }
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

#[test]
fn a_session_is_good_but_not_from_another_site() {
    // A11
    on_each_database(async |ground| {
        let node = node(ground).await;
        let mut browser = Browser::new(&node);
        browser.sign_in("/staff/login", "bo").await;
        let post = |site| {
            Request::post("/fhir/Patient")
                .header("content-type", "application/fhir+json")
                .header("sec-fetch-site", site)
        };
        let forged = browser.send(post("cross-site"), Body::from(JANE)).await;
        assert_eq!(forged.status, StatusCode::FORBIDDEN);
        let own = browser.send(post("same-origin"), Body::from(JANE)).await;
        assert_eq!(own.status, StatusCode::CREATED, "{}", own.text);
        assert_eq!(browser.get("/fhir/Patient").await.status, StatusCode::OK);
        node.store.clone().close().await;
    });
}
