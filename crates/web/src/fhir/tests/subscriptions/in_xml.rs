//! Subscribers who want XML.

use fhir::definitions::Definitions;
use fhir::json::{Limits, parse};
use fhir::validate::validate;
use fhir::xml;
use store::testing::on_each_database;

use super::{BACKPORT, Hook, StatusCode, observation, ready, subscription, work};
use crate::fhir::tests::BASE;

const XML: &str = r#","payload":"application/fhir+xml; charset=utf-8""#;

/// The body of what was heard, which says that it is XML and is valid R4.
fn body(heard: &str) -> &str {
    let (head, body) = heard.split_once("\r\n\r\n").unwrap();
    let kinds = head.lines().filter(|it| it.starts_with("content-type:"));
    let kinds: Vec<&str> = kinds.collect();
    assert_eq!(kinds, ["content-type: application/fhir+xml"], "{head}");
    let json = xml::to_json(body.as_bytes(), &Limits::default()).unwrap();
    let json = parse(&json, &Limits::default()).unwrap();
    validate(&json, Definitions::r4()).unwrap();
    body
}

#[test]
fn a_resource_and_a_notification_are_sent_in_xml_to_those_who_ask_for_it() {
    on_each_database(async |ground| {
        let (node, bo) = ready(ground).await;
        let (plain, topical) = (Hook::open(&[]).await, Hook::open(&[]).await);
        let asked = subscription("Observation?subject=Patient/jane", &plain.url, XML);
        let made = bo.put("/Subscription/s", &asked).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        let channel = format!(
            r#"{XML},"_payload":{{"extension":[{{"url":"{BACKPORT}payload-content","valueCode":"full-resource"}}]}},"extension":[{{"url":"{BACKPORT}heartbeat-period","valueUnsignedInt":60}}]"#
        );
        let topic = format!("{BASE}/SubscriptionTopic/Observation");
        let asked = subscription(&topic, &topical.url, &channel).replace("\"s\"", "\"t\"");
        let made = bo.put("/Subscription/t", &asked).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        work(&node).await;
        bo.put("/Observation/o1", &observation("o1", "jane")).await;
        work(&node).await;
        ground.clock().advance(61_000);
        work(&node).await;
        let heard = plain.heard();
        assert_eq!(heard.len(), 1, "{heard:?}");
        assert!(
            heard[0].starts_with("PUT /hook/Observation/o1 "),
            "{}",
            heard[0]
        );
        let put = body(&heard[0]);
        assert!(
            put.contains("<Observation xmlns=\"http://hl7.org/fhir\">"),
            "{put}"
        );
        assert!(put.contains("<value value=\"1.50\"/>"), "{put}");
        let heard = topical.heard();
        let kinds = ["handshake", "event-notification", "heartbeat"];
        assert_eq!(heard.len(), kinds.len(), "{heard:?}");
        for (heard, kind) in heard.iter().zip(kinds) {
            let told = body(heard);
            let kind = format!("<valueCode value=\"{kind}\"/>");
            assert!(told.contains(&kind), "{told}");
        }
        assert!(heard[1].contains("<value value=\"1.50\"/>"), "{}", heard[1]);
        node.store.clone().close().await;
    });
}
