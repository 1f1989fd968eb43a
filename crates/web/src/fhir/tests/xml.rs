//! The door in XML.

use http::StatusCode;
use http::header::CONTENT_TYPE;
use store::testing::on_each_database;

use super::{Client, JANE, node};
use crate::fhir::edge;

const XML: (&str, &str) = ("content-type", "application/fhir+xml");
const ACCEPT: (&str, &str) = ("accept", "application/fhir+xml");

#[test]
fn whoever_speaks_xml_is_answered_in_xml() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        let jane = r#"<Patient xmlns="http://hl7.org/fhir"><id value="jane"/><name><family value="Example"/><given value="Jane"/></name><birthDate value="1970-02-03"/></Patient>"#;
        let made = bo.send("PUT", "/Patient/jane", &[XML, ACCEPT], jane).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        assert!(made.text().contains(r#"<versionId value="1"/>"#));
        let json = bo.get("/Patient/jane").await;
        assert!(json.text().contains(r#""family":"Example""#));
        for (address, headers) in [
            ("/Patient/jane", vec![ACCEPT]),
            ("/Patient/jane?_format=xml", vec![]),
            (
                "/Patient/jane?_format=application/fhir+xml",
                vec![("accept", "text/html")],
            ),
            ("/Patient?_id=jane", vec![ACCEPT]),
            ("/Patient/jane/_history", vec![ACCEPT]),
            ("/metadata", vec![ACCEPT]),
        ] {
            let read = bo.send("GET", address, &headers, "").await;
            assert_eq!(read.status, StatusCode::OK, "{address}: {}", read.text());
            assert_eq!(
                read.header(CONTENT_TYPE),
                "application/fhir+xml",
                "{address}"
            );
        }
        let pretty = bo
            .send("GET", "/Patient/jane?_pretty=true", &[ACCEPT], "")
            .await;
        assert!(pretty.text().contains("\n  <name>\n"), "{}", pretty.text());
        let head = bo.send("HEAD", "/Patient/jane", &[ACCEPT], "").await;
        assert_eq!(
            (head.status, head.header(CONTENT_TYPE)),
            (StatusCode::OK, "application/fhir+xml")
        );

        // What is wrong is told in the same way.
        let absent = bo.send("GET", "/Patient/never", &[ACCEPT], "").await;
        assert_eq!(absent.status, StatusCode::NOT_FOUND);
        assert!(absent.text().contains(r#"<code value="not-found"/>"#));
        let refused = bo
            .send("PUT", "/Patient/jane", &[XML, ACCEPT], "<Patient")
            .await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert!(
            refused.text().contains("(line 1, column"),
            "{}",
            refused.text()
        );
        let stranger = Client {
            token: String::new(),
            ..bo.clone()
        };
        let refused = stranger.send("GET", "/Patient/jane", &[ACCEPT], "").await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        assert_eq!(refused.header(CONTENT_TYPE), "application/fhir+xml");
        let neither = bo
            .send("GET", "/Patient/jane", &[("accept", "text/turtle")], "")
            .await;
        assert_eq!(neither.status, StatusCode::NOT_ACCEPTABLE);
        let bomb = r#"<!DOCTYPE a [<!ENTITY b "bbbb">]><Patient xmlns="http://hl7.org/fhir"><language value="&b;"/></Patient>"#;
        let refused = bo.send("POST", "/Patient", &[XML], bomb).await;
        assert_eq!(
            (refused.status, refused.issue().0.as_str()),
            (StatusCode::BAD_REQUEST, "structure")
        );

        let bundle = format!(
            r#"<Bundle xmlns="http://hl7.org/fhir"><type value="transaction"/><entry><resource>{}</resource><request><method value="PUT"/><url value="Patient/jane"/></request></entry></Bundle>"#,
            jane.replace(r#" xmlns="http://hl7.org/fhir""#, "")
                .replace("1970", "1971")
        );
        let done = bo.send("POST", "", &[XML, ACCEPT], &bundle).await;
        assert_eq!(done.status, StatusCode::OK, "{}", done.text());
        assert!(done.text().contains(r#"<status value="200 OK"/>"#));
        let changed = bo.put("/Patient/jane", JANE).await;
        assert_eq!(changed.status, StatusCode::OK);
        node.store.clone().close().await;
    });
}

#[test]
fn a_body_that_means_nothing_or_comes_from_a_stranger_is_not_read() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        bo.put("/Patient/jane", JANE).await;
        let stranger = Client {
            token: String::new(),
            ..bo.clone()
        };
        let packed = ("content-encoding", "gzip");
        for method in ["GET", "HEAD"] {
            for (client, body) in [(&stranger, "<no xml"), (&stranger, ""), (&bo, "")] {
                for headers in [vec![XML], vec![packed], vec![XML, packed]] {
                    let told = client.send(method, "/metadata", &headers, body).await;
                    assert_eq!(told.status, StatusCode::OK, "{method}: {}", told.text());
                }
            }
        }
        let read = bo.send("GET", "/Patient/jane", &[XML], "").await;
        assert_eq!(read.status, StatusCode::OK, "{}", read.text());
        let gone = bo.send("DELETE", "/Patient/jane", &[XML], "").await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT, "{}", gone.text());
        let refused = stranger.send("POST", "/Patient", &[XML], "<no xml").await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        node.store.clone().close().await;
    });
}

/// Extensions in one another: as deep as may be stored, counted as JSON nests.
fn as_deep_as_may_be(id: &str) -> String {
    // The resource is one, each extension two (its list, itself).
    let extensions = (64 - 1) / 2;
    let open = r#""extension":[{"url":"urn:x","#.repeat(extensions - 1);
    let close = "}]".repeat(extensions - 1);
    format!(
        r#"{{"resourceType":"Patient","id":"{id}",{open}"extension":[{{"url":"urn:x","valueInteger":1}}]{close}}}"#
    )
}

#[test]
fn what_was_stored_at_the_bound_of_depth_is_answered_in_a_page_of_xml() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        let made = bo.put("/Patient/deep", &as_deep_as_may_be("deep")).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        for address in ["/Patient/deep", "/Patient?_id=deep", "/Patient/_history"] {
            let read = bo.send("GET", address, &[ACCEPT], "").await;
            assert_eq!(read.status, StatusCode::OK, "{address}: {}", read.text());
            assert_eq!(read.header(CONTENT_TYPE), "application/fhir+xml");
        }
        node.store.clone().close().await;
    });
}

#[test]
fn a_change_that_was_made_is_never_answered_as_refused() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        bo.put("/Patient/jane", JANE).await;
        let visit = |method: &str| {
            let request = http::Request::builder().method(method).uri("/fhir/Patient");
            let (parts, ()) = request.body(()).unwrap().into_parts();
            crate::visit::Visit::unproved(&node, &parts)
        };
        // A control character, which XML has no way to write.
        let unsayable = r#"{"resourceType":"Patient","name":[{"text":"\u0001"}]}"#;
        let answer = |status| crate::fhir::answer::json(status, unsayable.to_string());
        for (method, status) in [
            ("PUT", StatusCode::OK),
            ("POST", StatusCode::CREATED),
            ("GET", StatusCode::NOT_FOUND),
        ] {
            let visit = visit(method);
            let given = edge::given(&node, answer(status), &visit, false);
            let given = given.await.unwrap();
            assert_eq!(given.status(), status);
            assert_eq!(given.headers()[CONTENT_TYPE], "application/fhir+json");
            let body = axum::body::to_bytes(given.into_body(), 1000).await.unwrap();
            assert_eq!(body, unsayable);
        }
        let refused = edge::given(&node, answer(StatusCode::OK), &visit("GET"), false).await;
        assert_eq!(refused.unwrap_err().status(), StatusCode::NOT_ACCEPTABLE);
        node.store.clone().close().await;
    });
}
