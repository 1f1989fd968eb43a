//! The shared record where nobody else is asked. What others answer is tested between nodes.

use access::{AuditEntry, Scope, SystemPurpose};
use http::StatusCode;
use serde_json::{Value, json};
use store::AuditFilter;
use store::testing::on_each_database;

use crate::testing::letters::{self, Letter};
use crate::testing::{Browser, join, node};

async fn put(node: &crate::Node, id: &str, resource: Value) {
    let text = resource.to_string();
    letters::put(&node.store, id, &text, store::Release::Keep).await;
}

/// Reads of that letter that stand in the log.
async fn reads(node: &crate::Node, letter: &str) -> Vec<AuditEntry> {
    let filter = AuditFilter {
        count: 1_000,
        ..AuditFilter::default()
    };
    let scope = Scope::system(SystemPurpose::Measure);
    let mut lines = node
        .store
        .audit_page(&scope, &filter)
        .await
        .unwrap()
        .entries;
    lines.retain(|it| it.interaction == "read" && it.target.id.as_deref() == Some(letter));
    lines
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

#[test]
fn a_letter_that_is_held_here_opens_from_the_shared_record_and_each_opening_is_in_the_log() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        let tom = json!({ "resourceType": "Patient", "name": [{ "family": "Helper" }] });
        put(&node, "tom", tom).await;
        let letter = Letter {
            title: "Clinic letter".into(),
            ..Letter::default()
        };
        letters::receive(&node.store, &letter).await;
        let mut bo = Browser::new(&node);
        bo.sign_in("/staff/login", "bo").await;
        let shared = bo.get("/staff/patient/jane/shared").await.text;
        let (_, after) = shared
            .split_once("shared&#x2f;letter?from=A81001&amp;letter=")
            .unwrap();
        let (id, _) = after.split_once('"').unwrap();
        let address = format!("/staff/patient/jane/shared/letter?from=A81001&letter={id}");
        let opened = bo.get(&address).await;
        assert_eq!(opened.status, StatusCode::OK, "{}", opened.text);
        for shown in [
            "Clinic letter",
            "this is the letter.",
            ">Here<",
            "Willow Road Surgery",
        ] {
            assert!(opened.text.contains(shown), "{shown}: {}", opened.text);
        }
        let part = format!("/staff/patient/jane/shared/letter/content?from=A81001&letter={id}");
        let file = bo.get(&part).await;
        assert_eq!(file.status, StatusCode::OK, "{}", file.text);
        assert!(file.text.contains("this is the letter."), "{}", file.text);
        assert_eq!(
            bo.get(&format!("{part}&part=7")).await.status,
            StatusCode::NOT_FOUND
        );
        // Another patient's address does not open it, and neither does a letter that is not there.
        let of_tom = address.replace("jane", "tom");
        assert_eq!(bo.get(&of_tom).await.status, StatusCode::NOT_FOUND);
        let other = "/staff/patient/jane/shared/letter?from=A81001&letter=nothing";
        assert_eq!(bo.get(other).await.status, StatusCode::NOT_FOUND);
        let reads = reads(&node, id).await;
        assert_eq!(reads.len(), 4, "{reads:?}");
        let of_jane = |it: &AuditEntry| it.target.patient.as_deref() == Some("jane");
        assert!(reads.iter().all(of_jane), "{reads:?}");
    });
}

#[test]
fn of_a_patient_whose_places_are_restricted_no_letter_opens_from_the_shared_record() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        let letter = Letter {
            title: "Clinic letter".into(),
            ..Letter::default()
        };
        letters::receive(&node.store, &letter).await;
        let mut bo = Browser::new(&node);
        bo.sign_in("/staff/login", "bo").await;
        let shared = bo.get("/staff/patient/jane/shared").await.text;
        let (_, after) = shared
            .split_once("shared&#x2f;letter?from=A81001&amp;letter=")
            .unwrap();
        let (id, _) = after.split_once('"').unwrap();
        letters::restrict(&node.store).await;
        let shared = bo.get("/staff/patient/jane/shared").await.text;
        assert!(shared.contains("Clinic letter"), "{shared}");
        assert!(!shared.contains("shared&#x2f;letter?from="), "{shared}");
        let address = format!("/staff/patient/jane/shared/letter?from=A81001&letter={id}");
        let refused = bo.get(&address).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
    });
}
