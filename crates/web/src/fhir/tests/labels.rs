//! What a patient never sees through this door: what is labelled, whoever labels it and when.

use std::sync::Arc;

use http::StatusCode;
use store::testing::on_each_database;

use super::{Client, JANE, node};
use crate::testing::Browser;
use crate::testing::letters::{self, Letter};

const DAY: i64 = 86_400_000;

fn binary(id: &str) -> String {
    format!(
        r#"{{"resourceType":"Binary","id":"{id}","contentType":"text/plain","securityContext":{{"reference":"Patient/jane"}},"data":"aGk="}}"#
    )
}

fn letter(id: &str, binary: &str, is_labelled: bool) -> String {
    let label =
        r#""securityLabel":[{"coding":[{"system":"urn:handover:mark","code":"third-party"}]}],"#;
    let label = if is_labelled { label } else { "" };
    format!(
        r#"{{"resourceType":"DocumentReference","id":"{id}",{label}"status":"current","subject":{{"reference":"Patient/jane"}},"content":[{{"attachment":{{"url":"Binary/{binary}"}}}}]}}"#
    )
}

async fn seen(client: &Client, path: &str) -> bool {
    client.get(path).await.status == StatusCode::OK
}

#[test]
fn a_labelled_letter_is_never_shown_however_long_the_patient_waits() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        let jane = Client::of(&node, "jane").await;
        bo.put("/Patient/jane", JANE).await;
        let mut paths = Vec::new();
        for is_labelled in [false, true] {
            let content = bo.post("/Binary", &binary("b")).await.json();
            let content = content["id"].as_str().unwrap().to_string();
            let text = letter("d", &content, is_labelled);
            let made = bo.post("/DocumentReference", &text).await.json();
            paths.push(format!("/Binary/{content}"));
            paths.push(format!(
                "/DocumentReference/{}",
                made["id"].as_str().unwrap()
            ));
        }
        let entry = |method: &str, url: &str, resource: &str| {
            format!(r#"{{"request":{{"method":"{method}","url":"{url}"}},"resource":{resource}}}"#)
        };
        let bundle = format!(
            r#"{{"resourceType":"Bundle","type":"transaction","entry":[{},{}]}}"#,
            entry("PUT", "Binary/tb", &binary("tb")),
            entry("POST", "DocumentReference", &letter("td", "tb", true)),
        );
        let answer = bo.post("", &bundle).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        ground.clock().advance(15 * DAY);
        assert!(seen(&jane, &paths[0]).await && seen(&jane, &paths[1]).await);
        assert!(!seen(&jane, &paths[2]).await && !seen(&jane, &paths[3]).await);
        assert!(!seen(&jane, "/Binary/tb").await);
        let found = jane.get("/DocumentReference").await.json();
        assert_eq!(found["entry"].as_array().unwrap().len(), 1, "{found}");
        // A label that comes later takes back what was shown.
        let id = paths[1].rsplit('/').next().unwrap();
        let content = paths[0].rsplit('/').next().unwrap();
        bo.put(&paths[1], &letter(id, content, true)).await;
        assert!(!seen(&jane, &paths[0]).await && !seen(&jane, &paths[1]).await);
        node.store.clone().close().await;
    });
}

async fn file(node: &Arc<crate::Node>, pid: i64) {
    let mut clerk = Browser::new(node);
    clerk.sign_in("/staff/login", "ann").await;
    clerk.get(&format!("/staff/item/{pid}")).await;
    let filed = clerk.post(&format!("/staff/item/{pid}/file"), &[]).await;
    let there = format!("/staff/inbox?done=filed&item={pid}");
    assert_eq!(filed.location(), there, "{}", filed.text);
}

#[test]
fn filing_does_not_release_a_letter_that_was_labelled_or_deleted_here() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        let bo = Client::of(&node, "bo").await;
        let jane = Client::of(&node, "jane").await;
        let mut pids = Vec::new();
        for unique in ["plain", "labelled", "deleted"] {
            let letter = Letter {
                text: format!("The text of the {unique} letter."),
                ..Letter::default()
            };
            pids.push(letters::receive(&node.store, &letter).await);
        }
        let document = |at: usize| format!("/DocumentReference/d{}", pids[at]);
        let content = |at: usize| format!("/Binary/b{}", pids[at]);
        let (id, binary) = (format!("d{}", pids[1]), format!("b{}", pids[1]));
        let labelled = bo.put(&document(1), &letter(&id, &binary, true)).await;
        assert_eq!(labelled.status, StatusCode::OK, "{}", labelled.text());
        bo.send("DELETE", &document(2), &[], "").await;
        for pid in &pids {
            file(&node, *pid).await;
        }
        assert!(seen(&jane, &document(0)).await && seen(&jane, &content(0)).await);
        for at in [1, 2] {
            assert!(!seen(&jane, &document(at)).await, "{at}");
            assert!(!seen(&jane, &content(at)).await, "{at}");
        }
        node.store.clone().close().await;
    });
}

#[test]
fn the_patient_waits_as_many_days_as_the_settings_say() {
    on_each_database(async |ground| {
        let mut node = node(ground).await;
        Arc::get_mut(&mut node).unwrap().release_after_days = 3;
        let bo = Client::of(&node, "bo").await;
        let jane = Client::of(&node, "jane").await;
        bo.put("/Patient/jane", JANE).await;
        let content = bo.post("/Binary", &binary("b")).await.json();
        let alone = format!("/Binary/{}", content["id"].as_str().unwrap());
        let bundle = format!(
            r#"{{"resourceType":"Bundle","type":"transaction","entry":[{{"request":{{"method":"POST","url":"Binary"}},"resource":{}}}]}}"#,
            binary("b")
        );
        let answer = bo.post("", &bundle).await.json();
        let location = answer["entry"][0]["response"]["location"].as_str().unwrap();
        let bundled = format!("/{}", location.split("/_history").next().unwrap());
        ground.clock().advance(3 * DAY - 1);
        assert!(!seen(&jane, &alone).await && !seen(&jane, &bundled).await);
        ground.clock().advance(1);
        assert!(seen(&jane, &alone).await && seen(&jane, &bundled).await);
        node.store.clone().close().await;
    });
}

#[test]
fn a_label_is_not_lost_by_a_change_and_goes_when_a_clinician_takes_it_away() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        bo.put("/Patient/jane", JANE).await;
        bo.put("/DocumentReference/d", &letter("d", "b", true))
            .await;
        let plain = letter("d", "b", false);
        let bundle = format!(
            r#"{{"resourceType":"Bundle","type":"transaction","entry":[{{"request":{{"method":"PUT","url":"DocumentReference/d"}},"resource":{plain}}}]}}"#
        );
        let patch = r#"[{"op":"remove","path":"/securityLabel"}]"#;
        let form = [("content-type", "application/json-patch+json")];
        for answer in [
            bo.put("/DocumentReference/d", &plain).await,
            bo.post("", &bundle).await,
            bo.send("PATCH", "/DocumentReference/d", &form, patch).await,
        ] {
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text());
            assert!(answer.text().contains("$meta-delete"), "{}", answer.text());
        }
        let label = r#"{"resourceType":"Parameters","parameter":[{"name":"meta","valueMeta":{"security":[{"system":"urn:handover:mark","code":"third-party"}]}}]}"#;
        let taken = bo.post("/DocumentReference/d/$meta-delete", label).await;
        assert_eq!(taken.status, StatusCode::OK, "{}", taken.text());
        let there = bo.get("/DocumentReference/d").await.text();
        assert!(!there.contains("third-party"), "{there}");
        let changed = bo.put("/DocumentReference/d", &plain).await;
        assert_eq!(changed.status, StatusCode::OK, "{}", changed.text());
        node.store.clone().close().await;
    });
}
