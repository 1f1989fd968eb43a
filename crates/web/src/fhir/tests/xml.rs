//! The door in XML.

use http::StatusCode;
use http::header::CONTENT_TYPE;
use store::testing::on_each_database;

use super::{Client, JANE, node};

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
