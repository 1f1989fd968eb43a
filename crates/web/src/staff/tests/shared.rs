//! The shared record where nobody else is asked. What others answer is tested between nodes.

use http::StatusCode;
use serde_json::{Value, json};
use store::testing::on_each_database;

use crate::testing::letters::{self, Letter};
use crate::testing::{Browser, join, node};

async fn put(node: &crate::Node, id: &str, resource: Value) {
    let text = resource.to_string();
    letters::put(&node.store, id, &text, store::Release::Keep).await;
}

fn allergy(text: &str) -> Value {
    json!({
        "resourceType": "AllergyIntolerance", "patient": { "reference": "Patient/jane" },
        "code": { "text": text },
        "clinicalStatus": { "coding": [{ "code": "active" }] },
    })
}

#[test]
fn what_is_here_is_on_the_shared_record_as_of_now_and_that_nobody_else_was_asked_is_said() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        put(&node, "a", allergy("Penicillin")).await;
        let mut bo = Browser::new(&node);
        bo.sign_in("/staff/login", "bo").await;
        let page = bo.get("/staff/patient/jane").await.text;
        let at = page.find("&#x2f;staff&#x2f;patient&#x2f;jane&#x2f;shared");
        let other = page.find("&#x2f;staff&#x2f;patient&#x2f;jane&#x2f;timeline");
        assert!(at.is_some() && at < other, "it is linked first: {page}");
        let shared = bo.get("/staff/patient/jane/shared").await;
        assert_eq!(shared.status, StatusCode::OK, "{}", shared.text);
        for shown in [
            "Shared record of EXAMPLE, Jane",
            "Penicillin",
            "tag\">Here</strong>",
            "As of now.",
            "This node asks no other organisations",
        ] {
            assert!(shared.text.contains(shown), "{shown}: {}", shared.text);
        }
        // No medicine is recorded, and nobody else was asked: that is not "none".
        let (_, medicines) = shared.text.split_once(">Medicines<").unwrap();
        assert!(
            medicines.contains("None came. That does not mean that there is none."),
            "{medicines}"
        );
    });
}

#[test]
fn what_is_sealed_here_is_said_to_be_withheld_and_is_not_none() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        join(&node.store, "bo", "gum").await;
        let letter = Letter {
            title: "Chlamydia result".into(),
            ..Letter::default()
        };
        let pid = letters::receive(&node.store, &letter).await;
        letters::seal(&node.store, pid, &letter, "sealed").await;
        let mut ann = Browser::new(&node);
        ann.sign_in("/staff/login", "ann").await;
        let shared = ann.get("/staff/patient/jane/shared").await.text;
        assert!(!shared.contains("Chlamydia"), "{shared}");
        assert!(shared.contains("Sealed items exist."), "{shared}");
        let (_, letters) = shared.split_once(">Letters<").unwrap();
        assert!(
            letters.contains("Some that are here are withheld from you."),
            "{letters}"
        );
        let mut bo = Browser::new(&node);
        bo.sign_in("/staff/login", "bo").await;
        let shared = bo.get("/staff/patient/jane/shared").await.text;
        assert!(shared.contains("Chlamydia"), "{shared}");
    });
}
