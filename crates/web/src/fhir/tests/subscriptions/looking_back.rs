//! Topics that look at the version before: what was deleted, what matched before, FHIRPath over both.

use store::testing::on_each_database;

use super::topics::{to_topic, topic};
use super::{Hook, JANE, StatusCode, observation, ready, status, work};
use crate::fhir::tests::Client;
use crate::node::Node;
use std::sync::Arc;

/// A topic of observations with that trigger.
fn triggered(interactions: &[&str], criteria: &str) -> String {
    let interactions: Vec<String> = interactions
        .iter()
        .map(|it| format!(r#"{{"url":"supportedInteraction","valueCode":"{it}"}},"#))
        .collect();
    topic(|it| {
        let plain = r#"{"url":"queryCriteria","extension":[{"url":"current","valueString":"status=final"}]}"#;
        let once = r#"{"url":"supportedInteraction","valueCode":"create"},"#;
        let it = it.replacen(once, "", 1);
        assert!(it.contains(plain));
        it.replacen(plain, &format!("{}{criteria}", interactions.concat()), 1)
    })
}

fn query(parts: &[(&str, &str)]) -> String {
    let parts: Vec<String> = parts
        .iter()
        .map(|(name, value)| match *value {
            "true" | "false" => format!(r#"{{"url":"{name}","valueBoolean":{value}}}"#),
            value if name.starts_with("result") => {
                format!(r#"{{"url":"{name}","valueCode":"{value}"}}"#)
            }
            value => format!(r#"{{"url":"{name}","valueString":"{value}"}}"#),
        })
        .collect();
    format!(
        r#"{{"url":"queryCriteria","extension":[{}]}}"#,
        parts.join(",")
    )
}

async fn subscribed(bo: &Client, node: &Arc<Node>, hook: &Hook, topic: &str) {
    let made = bo.put("/Basic/t", topic).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let asked = to_topic(&hook.url, "Observation?subject=Patient/jane");
    let made = bo.put("/Subscription/s", &asked).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    work(node).await;
    assert_eq!(hook.heard().len(), 1, "the handshake");
}

async fn put(bo: &Client, node: &Arc<Node>, id: &str, who: &str, status: &str) {
    let text = observation(id, who).replace("final", status);
    let made = bo.put(&format!("/Observation/{id}"), &text).await;
    assert!(made.status.is_success(), "{}", made.text());
    work(node).await;
}

#[test]
fn a_topic_asks_what_a_version_matched_before_the_change() {
    on_each_database(async |ground| {
        let (node, bo) = ready(ground).await;
        let hook = Hook::open(&[]).await;
        let criteria = query(&[
            ("previous", "status=preliminary"),
            ("current", "status=final"),
            ("requireBoth", "true"),
            ("resultForCreate", "test-fails"),
        ]);
        let topic = triggered(&["create", "update"], &criteria);
        subscribed(&bo, &node, &hook, &topic).await;
        put(&bo, &node, "o1", "jane", "final").await;
        assert_eq!(hook.heard().len(), 1, "nothing was before it");
        put(&bo, &node, "o2", "jane", "preliminary").await;
        put(&bo, &node, "o2", "jane", "amended").await;
        assert_eq!(hook.heard().len(), 1, "it is not final now");
        put(&bo, &node, "o2", "jane", "final").await;
        assert_eq!(hook.heard().len(), 1, "it was amended before");
        put(&bo, &node, "o3", "jane", "preliminary").await;
        put(&bo, &node, "o3", "jane", "final").await;
        let heard = hook.heard();
        assert_eq!(heard.len(), 2, "{heard:?}");
        assert!(heard[1].contains("Observation/o3"), "{}", heard[1]);
        bo.put("/Patient/john", &JANE.replace("jane", "john")).await;
        put(&bo, &node, "o4", "john", "preliminary").await;
        put(&bo, &node, "o4", "john", "final").await;
        assert_eq!(hook.heard().len(), 2, "the subscription's own filter");
        node.store.clone().close().await;
    });
}

#[test]
fn a_topic_of_deletions_tells_that_a_resource_is_gone_and_nothing_of_its_content() {
    on_each_database(async |ground| {
        let (node, bo) = ready(ground).await;
        let hook = Hook::open(&[]).await;
        let topic = triggered(&["delete"], &query(&[("current", "status=final")]));
        subscribed(&bo, &node, &hook, &topic).await;
        bo.put("/Patient/john", &JANE.replace("jane", "john")).await;
        put(&bo, &node, "o1", "jane", "final").await;
        put(&bo, &node, "o2", "jane", "preliminary").await;
        put(&bo, &node, "o3", "john", "final").await;
        assert_eq!(hook.heard().len(), 1, "only deletions are told");
        for id in ["o1", "o2", "o3"] {
            let gone = bo
                .send("DELETE", &format!("/Observation/{id}"), &[], "")
                .await;
            assert!(gone.status.is_success(), "{}", gone.text());
        }
        work(&node).await;
        let heard = hook.heard();
        assert_eq!(heard.len(), 2, "{heard:?}");
        assert!(
            heard[1].contains(r#""method":"DELETE","url":"Observation/o1""#),
            "{}",
            heard[1]
        );
        assert!(!heard[1].contains("valueQuantity"), "{}", heard[1]);
        let events = bo.get("/Subscription/s/$events").await.text();
        assert!(events.contains(r#""method":"DELETE""#), "{events}");
        assert_eq!(status(&bo).await, "active");
        node.store.clone().close().await;
    });
}

#[test]
fn a_topic_asks_by_fhirpath_over_both_versions_and_one_without_an_answer_is_an_error_to_see() {
    on_each_database(async |ground| {
        let (node, bo) = ready(ground).await;
        let hook = Hook::open(&[]).await;
        let path = |path: &str| format!(r#"{{"url":"fhirPathCriteria","valueString":"{path}"}}"#);
        let risen =
            "%current.value.ofType(Quantity).value > %previous.value.ofType(Quantity).value";
        let topic = triggered(&["create", "update", "delete"], &path(risen));
        subscribed(&bo, &node, &hook, &topic).await;
        put(&bo, &node, "o1", "jane", "final").await;
        assert_eq!(hook.heard().len(), 1, "there is no value before");
        for (value, told) in [("1.40", 1), ("1.60", 2), ("1.60", 2), ("1.70", 3)] {
            let text = observation("o1", "jane").replace("1.50", value);
            bo.put("/Observation/o1", &text).await;
            work(&node).await;
            assert_eq!(hook.heard().len(), told, "{value}");
        }
        bo.send("DELETE", "/Observation/o1", &[], "").await;
        work(&node).await;
        assert_eq!(hook.heard().len(), 3, "there is no value now");
        let faulty = triggered(
            &["create"],
            &path("(%current.status | 'x').single() = 'final'"),
        );
        let made = bo.put("/Basic/t", &faulty).await;
        assert!(made.status.is_success(), "{}", made.text());
        put(&bo, &node, "o2", "jane", "final").await;
        assert_eq!(status(&bo).await, "error");
        let told = bo.get("/Subscription/s/$status").await.text();
        assert!(told.contains("fhirPathCriteria has no answer"), "{told}");
        node.store.clone().close().await;
    });
}
