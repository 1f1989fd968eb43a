//! Subscriptions go on, or say why they do not.

use std::sync::Arc;

use store::testing::{Ground, on_each_database};
use store::{Settings, Store};

use super::topics::URL;
use super::{
    BACKPORT, Client, FULL, Hook, JANE, StatusCode, observation, status, subscription, wired, work,
};
use crate::node::Node;
use crate::testing::Browser;

/// As `ready`, over a store with other bounds.
async fn bounded(ground: &Ground, bounds: impl FnOnce(&mut Settings)) -> (Arc<Node>, Client) {
    let mut settings = ground.settings.clone();
    bounds(&mut settings);
    let plain = crate::testing::node_with(Store::open(settings).await.unwrap()).await;
    let node = wired(&plain, plain.store.clone());
    let bo = Client::system(&node).await;
    bo.put("/Patient/jane", JANE).await;
    (node, bo)
}

#[test]
fn a_subscriber_hears_of_all_large_changes_that_were_made_at_once() {
    const ALL: usize = 12;
    on_each_database(async |ground| {
        let (node, bo) = bounded(ground, |it| it.page_bytes_max = 20_000).await;
        let hook = Hook::open(&[]).await;
        let asked = subscription("Observation?subject=Patient/jane", &hook.url, FULL);
        let made = bo.put("/Subscription/s", &asked).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        work(&node).await;
        let note = format!(
            r#""note":[{{"text":"{}"}}],"status""#,
            "word ".repeat(1800).trim_end()
        );
        for number in 0..ALL {
            let id = format!("o{number:02}");
            let long = observation(&id, "jane").replacen("\"status\"", &note, 1);
            let made = bo.put(&format!("/Observation/{id}"), &long).await;
            assert!(made.status.is_success(), "{}", made.text());
        }
        work(&node).await;
        let heard = hook.heard();
        assert_eq!(heard.len(), ALL);
        for (number, heard) in heard.iter().enumerate() {
            let put = format!("PUT /hook/Observation/o{number:02} ");
            assert!(heard.starts_with(&put), "{put}");
        }
        node.store.clone().close().await;
    });
}

/// A topic of changed patients, told with all observations of each.
fn with_observations() -> String {
    let element = "http://hl7.org/fhir/5.0/StructureDefinition/extension-SubscriptionTopic";
    format!(
        r#"{{"resourceType":"Basic","id":"t","code":{{"coding":[{{"system":"http://hl7.org/fhir/fhir-types","code":"SubscriptionTopic"}}]}},
        "extension":[{{"url":"{element}.url","valueUri":"{URL}"}},
        {{"url":"{element}.resourceTrigger","extension":[{{"url":"resource","valueUri":"http://hl7.org/fhir/StructureDefinition/Patient"}},
          {{"url":"supportedInteraction","valueCode":"update"}}]}},
        {{"url":"{element}.notificationShape","extension":[{{"url":"resource","valueUri":"Patient"}},{{"url":"revInclude","valueString":"Observation:subject"}}]}}]}}"#
    )
}

#[test]
fn what_goes_with_a_notification_and_cannot_be_had_is_counted_and_seen() {
    on_each_database(async |ground| {
        let (node, bo) = bounded(ground, |it| it.included_max = 2).await;
        let hook = Hook::open(&[]).await;
        let made = bo.put("/Basic/t", &with_observations()).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        bo.put("/Patient/john", &JANE.replace("jane", "john")).await;
        for id in ["o1", "o2"] {
            bo.put(&format!("/Observation/{id}"), &observation(id, "jane"))
                .await;
        }
        let channel = format!(
            r#","payload":"application/fhir+json","_payload":{{"extension":[{{"url":"{BACKPORT}payload-content","valueCode":"full-resource"}}]}}"#
        );
        let made = bo
            .put("/Subscription/s", &subscription(URL, &hook.url, &channel))
            .await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        work(&node).await;
        let born_later = |of: &str| of.replace("1970-02-03", "1970-02-04");
        bo.put("/Patient/jane", &born_later(JANE)).await;
        work(&node).await;
        let heard = hook.heard();
        assert_eq!(heard.len(), 2, "{heard:?}");
        assert!(heard[1].contains("Observation/o2"), "{}", heard[1]);
        // One more than may be included.
        bo.put("/Observation/o3", &observation("o3", "jane")).await;
        bo.put("/Patient/jane", JANE).await;
        bo.put("/Patient/john", &born_later(&JANE.replace("jane", "john")))
            .await;
        for tries in [1, 2] {
            work(&node).await;
            assert_eq!(status(&bo).await, "active");
            let sub = node.store.sub("s").await.unwrap().unwrap();
            assert_eq!(sub.tries, tries);
            ground.clock().advance(3_600_000);
        }
        work(&node).await;
        assert_eq!(hook.heard().len(), 2);
        let given_up = bo.get("/Subscription/s").await.json();
        assert_eq!(given_up["status"], "error");
        let reason = given_up["error"].as_str().unwrap();
        assert!(reason.contains("notificationShape"), "{reason}");
        let told = bo.get("/Subscription/s/$status").await.text();
        assert!(told.contains(reason), "{told}");
        let mut browser = Browser::new(&node);
        browser.sign_in("/staff/login", "ed").await;
        let list = browser.get("/staff/worklist").await;
        assert!(list.text.contains("notificationShape"), "{}", list.text);
        // Once there is less of it, all that waited is told, in order.
        bo.send("DELETE", "/Observation/o3", &[], "").await;
        browser
            .post("/staff/worklist/subscriptions/s/again", &[])
            .await;
        work(&node).await;
        let heard = hook.heard();
        assert_eq!(heard.len(), 5, "{heard:?}");
        assert!(heard[2].contains("\"handshake\""), "{}", heard[2]);
        assert!(heard[3].contains("Patient/jane"), "{}", heard[3]);
        assert!(heard[4].contains("Patient/john"), "{}", heard[4]);
        assert_eq!(status(&bo).await, "active");
        node.store.clone().close().await;
    });
}

#[test]
fn a_subscription_ends_on_time_though_nothing_changes() {
    on_each_database(async |ground| {
        let (node, bo) = bounded(ground, |_| {}).await;
        let hook = Hook::open(&[]).await;
        let channel = format!(
            r#","extension":[{{"url":"{BACKPORT}heartbeat-period","valueUnsignedInt":60}}]"#
        );
        let topic = "http://127.0.0.1:8080/fhir/SubscriptionTopic/Observation";
        let asked = subscription(topic, &hook.url, &channel).replacen(
            "\"criteria\"",
            "\"end\":\"2026-01-05T09:01:30Z\",\"criteria\"",
            1,
        );
        let made = bo.put("/Subscription/s", &asked).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        work(&node).await;
        ground.clock().advance(61_000);
        work(&node).await;
        assert_eq!(status(&bo).await, "active");
        assert!(hook.heard()[1].contains("\"heartbeat\""));
        ground.clock().advance(29_000);
        work(&node).await;
        assert_eq!(status(&bo).await, "off");
        let told = bo.get("/Subscription/s/$status").await.text();
        assert!(told.contains("Its end has come."), "{told}");
        ground.clock().advance(3_600_000);
        work(&node).await;
        assert_eq!(hook.heard().len(), 2, "handshake and one heartbeat");
        // Said once: no further versions are made of it.
        let resource = bo.get("/Subscription/s").await.json();
        work(&node).await;
        let after = bo.get("/Subscription/s").await.json();
        assert_eq!(after["meta"]["versionId"], resource["meta"]["versionId"]);
        node.store.clone().close().await;
    });
}
