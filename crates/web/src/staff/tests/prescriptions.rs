//! The prescribers' queue: what they see, and that what they approve is what they saw.

use std::sync::Arc;

use http::StatusCode;
use store::care::CareWrite;
use store::testing::on_each_database;
use store::{Effect, Job, Release};

use crate::node::Node;
use crate::patient::prescriptions::tests::{ordered, practice};
use crate::testing::letters::put;
use crate::testing::{Answer, Browser};

async fn staff(node: &Arc<Node>, login: &str) -> Browser {
    let mut browser = Browser::new(node);
    browser.sign_in("/staff/login", login).await;
    browser
}

/// What the page's form says was seen.
fn seen(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"seen\" value=\"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

async fn approve(doctor: &mut Browser, order: &str, seen: &str, more: &[(&str, &str)]) -> Answer {
    let mut fields = vec![("seen", seen)];
    fields.extend(more);
    doctor
        .post(&format!("/staff{order}/approve"), &fields)
        .await
}

async fn allergy(node: &Node, id: &str, name: &str) {
    let text = format!(
        r#"{{"resourceType":"AllergyIntolerance","code":{{"text":"{name}"}},
        "patient":{{"reference":"Patient/jane"}}}}"#
    );
    put(&node.store, id, &text, Release::Keep).await;
}

#[test]
fn a_clean_request_is_approved_from_the_queue_and_the_patient_reads_so() {
    on_each_database(async |ground| {
        let node = practice(ground).await;
        let order = ordered(&node).await;
        let mut bo = staff(&node, "bo").await;
        let queue = bo.get("/staff/prescriptions").await.text;
        assert!(
            queue.contains("Nothing is recorded here about allergies."),
            "{queue}"
        );
        assert!(
            queue.contains("data-of=\"Last issue\" class=\"fixed\">none recorded"),
            "{queue}"
        );
        assert!(
            queue.contains("Clean") && queue.contains(">Approve<"),
            "{queue}"
        );
        let seen = seen(&queue);
        let done = approve(&mut bo, &order, &seen, &[]).await;
        assert_eq!(done.location(), "/staff/prescriptions?done=outside");
        let said = bo.get(done.location()).await.text;
        assert!(said.contains("this service does not send it"), "{said}");
        assert!(
            said.contains("No request that you can see is waiting."),
            "{said}"
        );
        let twice = approve(&mut bo, &order, &seen, &[]).await;
        assert_eq!(twice.status, StatusCode::UNPROCESSABLE_ENTITY);
        let mut jane = Browser::new(&node);
        jane.sign_in("/login", "jane").await;
        let page = jane.get(&order).await.text;
        assert_eq!(
            page.matches("journey__what\">Approved by your practice")
                .count(),
            2,
            "{page}"
        );
        assert!(
            page.contains("sends the prescription in its own way"),
            "{page}"
        );
        assert!(
            !page.contains("Dr Bo"),
            "staff are named in the access log: {page}"
        );
        let list = jane.get("/prescriptions").await.text;
        assert_eq!(
            list.matches("Too early: you can order it from").count(),
            2,
            "{list}"
        );
        assert_eq!(list.matches("Last prescribed on").count(), 2, "{list}");
    });
}

#[test]
fn only_a_prescriber_decides() {
    on_each_database(async |ground| {
        let node = practice(ground).await;
        let order = ordered(&node).await;
        let mut ann = staff(&node, "ann").await;
        let queue = ann.get("/staff/prescriptions").await.text;
        assert!(queue.contains("A prescriber decides."), "{queue}");
        assert!(!queue.contains(">Approve<"), "{queue}");
        ann.get(&format!("/staff{order}")).await;
        let refused = approve(&mut ann, &order, "", &[]).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        let refused = ann
            .post(&format!("/staff{order}/refuse"), &[("reason", "No")])
            .await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        for login in ["ed", "olu"] {
            let mut other = staff(&node, login).await;
            let page = other.get("/staff/prescriptions").await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{login}");
            assert!(!page.text.contains("Amlodipine"), "{login}");
        }
    });
}

#[test]
fn what_changed_since_it_was_seen_is_not_approved() {
    on_each_database(async |ground| {
        let node = practice(ground).await;
        let order = ordered(&node).await;
        let mut bo = staff(&node, "bo").await;
        let before = seen(&bo.get("/staff/prescriptions").await.text);
        allergy(&node, "al", "Amlodipine: swelling").await;
        let late = approve(&mut bo, &order, &before, &[]).await;
        assert_eq!(late.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(
            late.text.contains("Something changed since you saw"),
            "{}",
            late.text
        );
        assert!(late.text.contains("Amlodipine: swelling"), "{}", late.text);
        let now = seen(&late.text);
        let done = approve(&mut bo, &order, &now, &[]).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    });
}

#[test]
fn a_refusal_needs_a_reason_which_the_patient_reads_and_may_be_of_one_item() {
    on_each_database(async |ground| {
        let node = practice(ground).await;
        let order = ordered(&node).await;
        let mut bo = staff(&node, "bo").await;
        let page = bo.get(&format!("/staff{order}")).await.text;
        let (_, rest) = page.split_once("<option value=\"\">").unwrap();
        let (_, rest) = rest.split_once("<option value=\"").unwrap();
        let item = rest.split_once('"').unwrap().0.to_owned();
        let refuse = format!("/staff{order}/refuse");
        let none = bo.post(&refuse, &[("item", &item), ("reason", " ")]).await;
        assert_eq!(none.status, StatusCode::UNPROCESSABLE_ENTITY);
        let fields = [("item", item.as_str()), ("reason", "Blood test first <b>")];
        let done = bo.post(&refuse, &fields).await;
        assert_eq!(done.location(), "/staff/prescriptions?done=refused");
        let page = bo.get(&format!("/staff{order}")).await.text;
        let left = seen(&page);
        let quantity = page.split_once("name=\"quantity-").unwrap().1;
        let field = format!("quantity-{}", quantity.split_once('"').unwrap().0);
        let wrong = approve(&mut bo, &order, &left, &[(&field, "lots")]).await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
        let right = approve(&mut bo, &order, &left, &[(&field, "14")]).await;
        assert_eq!(right.status, StatusCode::SEE_OTHER, "{}", right.text);
        let mut jane = Browser::new(&node);
        jane.sign_in("/login", "jane").await;
        let page = jane.get(&order).await.text;
        assert!(page.contains("Not approved by your practice"), "{page}");
        assert!(page.contains("Why: Blood test first &lt;b&gt;"), "{page}");
        assert!(page.contains("Quantity changed to 14"), "{page}");
    });
}

/// Never empty where something is withheld.
#[test]
fn a_prescriber_sees_that_allergies_are_withheld_and_the_request_is_not_clean() {
    on_each_database(async |ground| {
        let node = practice(ground).await;
        allergy(&node, "al", "Penicillin").await;
        let order = ordered(&node).await;
        let mut bo = staff(&node, "bo").await;
        let queue = bo.get("/staff/prescriptions").await.text;
        assert!(queue.contains("Penicillin"), "{queue}");
        let dissent = CareWrite::Dissent {
            patient: "jane".into(),
            organisation: node.site.organisation.to_string(),
            consent: "c1".into(),
            types: vec!["AllergyIntolerance".into()],
            starts_at: 0,
            ends_at: i64::MAX,
        };
        let scope = access::Scope::system(access::SystemPurpose::Measure);
        let job = Job::effect(Effect::Care(dissent));
        node.store.commit(&scope, job).await.unwrap();
        for address in ["/staff/prescriptions".to_owned(), format!("/staff{order}")] {
            let page = bo.get(&address).await.text;
            assert!(page.contains("1 allergy is withheld from you."), "{page}");
            assert!(
                !page.contains("Nothing is recorded here about allergies"),
                "{page}"
            );
            assert!(!page.contains("Penicillin"), "{page}");
            assert!(page.contains("Look closer"), "{page}");
        }
        let queue = bo.get("/staff/prescriptions").await.text;
        assert!(!queue.contains(">Approve<"), "no single press: {queue}");
        // What was asked for may be withheld as a whole.
        let dissent = CareWrite::Dissent {
            patient: "jane".into(),
            organisation: node.site.organisation.to_string(),
            consent: "c2".into(),
            types: vec!["Task".into()],
            starts_at: 0,
            ends_at: i64::MAX,
        };
        let job = Job::effect(Effect::Care(dissent));
        node.store.commit(&scope, job).await.unwrap();
        let queue = bo.get("/staff/prescriptions").await.text;
        assert!(
            queue.contains("2 items that patients asked for are withheld"),
            "{queue}"
        );
        assert!(!queue.contains("Amlodipine"), "{queue}");
    });
}

#[test]
fn clean_requests_come_before_those_to_look_at_closer() {
    on_each_database(async |ground| {
        let node = practice(ground).await;
        crate::testing::patient(
            &node.store,
            ["tom", "Tom Helper", "tom", "9990000018", "1970-02-03"],
        )
        .await;
        let text = r#"{"resourceType":"MedicationRequest","status":"active","intent":"plan",
            "medicationCodeableConcept":{"text":"Ramipril"},"subject":{"reference":"Patient/tom"},
            "courseOfTherapyType":{"coding":[{"code":"continuous"}]}}"#;
        put(&node.store, "ramipril", text, Release::At(0)).await;
        let mut tom = Browser::new(&node);
        tom.sign_in("/login", "tom").await;
        tom.get("/prescriptions/order").await;
        let placed = tom
            .post("/prescriptions/order", &[("item", "ramipril")])
            .await;
        assert_eq!(placed.status, StatusCode::SEE_OTHER);
        put(
            &node.store,
            "ramipril",
            &text.replace("active", "stopped"),
            Release::At(0),
        )
        .await;
        ordered(&node).await;
        let mut bo = staff(&node, "bo").await;
        let queue = bo.get("/staff/prescriptions").await.text;
        let at = |word: &str| queue.find(word).unwrap();
        assert!(at("EXAMPLE") < at("HELPER"), "{queue}");
        assert!(queue.contains("It was stopped, or is on hold."), "{queue}");
    });
}
