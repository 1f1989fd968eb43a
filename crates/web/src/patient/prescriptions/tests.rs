use std::sync::Arc;

use http::StatusCode;
use store::testing::{Ground, on_each_database};

use crate::node::Node;
use crate::patient::people;
use crate::testing::{Browser, bare_node, letters, patient};

pub(crate) const DRUGS: [(&str, &str); 2] = [
    ("amlodipine", "Amlodipine 5mg"),
    ("atorva", "Atorvastatin 20mg"),
];

/// A repeat medicine of a patient's.
pub(crate) fn medicine(patient: &str, name: &str, more: &str) -> String {
    format!(
        r#"{{"resourceType":"MedicationRequest","status":"active","intent":"plan",
        "medicationCodeableConcept":{{"text":"{name}"}},"subject":{{"reference":"Patient/{patient}"}},
        "courseOfTherapyType":{{"coding":[{{"code":"continuous"}}]}},
        "dispenseRequest":{{"numberOfRepeatsAllowed":5,"quantity":{{"value":28,"unit":"tablet"}},
        "dispenseInterval":{{"value":28,"unit":"day","code":"d"}}}}{more}}}"#
    )
}

/// A practice with Jane, her two repeat medicines, and a pharmacy.
pub(crate) async fn practice(ground: &Ground) -> Arc<Node> {
    practice_with(ground, |_| {}).await
}

/// The same, with its node set up further.
pub(crate) async fn practice_with(ground: &Ground, set: impl FnOnce(&mut Node)) -> Arc<Node> {
    let mut node = bare_node(ground).await;
    set(&mut node);
    node.pharmacies = Arc::new(|| vec![("FZZ01".into(), "Corner Pharmacy".into())]);
    letters::patient(&node.store).await;
    for (id, name) in DRUGS {
        let text = medicine("jane", name, "");
        letters::put(&node.store, id, &text, store::Release::At(0)).await;
    }
    Arc::new(node)
}

async fn jane(node: &Arc<Node>) -> Browser {
    let mut jane = Browser::new(node);
    jane.sign_in("/login", "jane").await;
    jane
}

const BOTH: [(&str, &str); 2] = [("item", "amlodipine"), ("item", "atorva")];

/// Jane orders both; the address of her order.
pub(crate) async fn ordered(node: &Arc<Node>) -> String {
    let mut jane = jane(node).await;
    jane.get("/prescriptions/order").await;
    let answer = jane.post("/prescriptions/order", &BOTH).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    answer.location().split('?').next().unwrap().to_owned()
}

#[test]
fn all_that_is_due_is_ticked_and_ordered_once_however_often_the_form_is_sent() {
    on_each_database(async |ground| {
        let node = practice(ground).await;
        let mut jane = jane(&node).await;
        let home = jane.get("/").await.text.replace("&#x2f;", "/");
        assert!(home.contains("2 medicines can be ordered now"), "{home}");
        assert!(home.contains("href=\"/prescriptions/order\""), "{home}");
        let form = jane.get("/prescriptions/order").await.text;
        assert_eq!(form.matches("type=\"checkbox\"").count(), 2);
        assert_eq!(form.matches(" checked").count(), 2, "{form}");
        let first = jane.post("/prescriptions/order", &BOTH).await;
        let order = first.location().to_owned();
        assert!(order.ends_with("?done=asked"), "{order}");
        let again = jane.post("/prescriptions/order", &BOTH).await;
        assert_eq!(again.location(), "/prescriptions?done=already");
        let page = jane.get(order.split('?').next().unwrap()).await.text;
        assert_eq!(
            page.matches("journey__what\">Asked for").count(),
            2,
            "{page}"
        );
        let list = jane.get("/prescriptions").await.text;
        assert_eq!(list.matches("You have asked for it already.").count(), 2);
        let nobodys = jane.get("/prescriptions/other").await;
        assert_eq!(nobodys.status, StatusCode::NOT_FOUND);
    });
}

#[test]
fn two_tabs_that_order_at_the_same_time_order_one_medicine_once() {
    on_each_database(async |ground| {
        let node = practice(ground).await;
        let (mut one, mut two) = (jane(&node).await, jane(&node).await);
        one.get("/prescriptions/order").await;
        two.get("/prescriptions/order").await;
        let (first, second) = tokio::join!(
            one.post("/prescriptions/order", &BOTH),
            two.post("/prescriptions/order", &BOTH[..1]),
        );
        for answer in [&first, &second] {
            assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        }
        let scope = access::Scope::system(access::SystemPurpose::Measure);
        let search = fhir::search::Search::all("Task", 10);
        let tasks = node.store.search(&scope, &search).await.unwrap().entries;
        let about = |id: &str| {
            let focus = format!("MedicationRequest/{id}\"");
            let text = |it: &store::Version| String::from_utf8_lossy(&it.body).into_owned();
            tasks.iter().filter(|it| text(it).contains(&focus)).count()
        };
        assert_eq!(about("amlodipine"), 1, "asked for once");
    });
}

#[test]
fn what_is_not_due_is_shown_with_its_reason_and_cannot_be_ordered() {
    on_each_database(async |ground| {
        let node = practice(ground).await;
        let today = fhir::date::date(node.store.now());
        let issue = format!(
            r#","authoredOn":"{today}","basedOn":[{{"reference":"MedicationRequest/amlodipine"}}]"#
        );
        let issued = medicine("jane", "Amlodipine 5mg", &issue).replace("\"plan\"", "\"order\"");
        letters::put(&node.store, "issue", &issued, store::Release::At(0)).await;
        let stopped = medicine("jane", "Ramipril 5mg", "").replace("active", "stopped");
        letters::put(&node.store, "stopped", &stopped, store::Release::At(0)).await;
        // Not released: it is not shown, and the page says that something may be held back.
        let hidden = medicine("jane", "Secretin", "");
        letters::put(&node.store, "hidden", &hidden, store::Release::Never).await;
        let mut jane = jane(&node).await;
        let page = jane.get("/prescriptions/order").await.text;
        assert!(page.contains("Too early: you can order it from "), "{page}");
        assert!(page.contains("It was stopped."), "{page}");
        assert!(page.contains("can be held back from this page"), "{page}");
        assert!(!page.contains("Secretin"), "{page}");
        assert_eq!(page.matches("type=\"checkbox\"").count(), 1);
        let fields = [
            ("item", "amlodipine"),
            ("item", "stopped"),
            ("item", "hidden"),
        ];
        let answer = jane.post("/prescriptions/order", &fields).await;
        assert_eq!(answer.location(), "/prescriptions?done=already");
        let none = jane.post("/prescriptions/order", &[]).await;
        assert_eq!(none.status, StatusCode::UNPROCESSABLE_ENTITY);
        let part = [("item", "atorva"), ("item", "stopped")];
        let part = jane.post("/prescriptions/order", &part).await;
        assert!(
            part.location().ends_with("?done=part"),
            "{}",
            part.location()
        );
    });
}

#[test]
fn the_pharmacy_is_one_of_the_directorys_and_the_order_names_it() {
    on_each_database(async |ground| {
        let node = practice(ground).await;
        let mut jane = jane(&node).await;
        let page = jane.get("/pharmacy").await.text;
        assert!(page.contains("You have not chosen a pharmacy."), "{page}");
        let none = jane.post("/pharmacy", &[("pharmacy", "RZZ01")]).await;
        assert_eq!(none.status, StatusCode::UNPROCESSABLE_ENTITY);
        let chosen = jane.post("/pharmacy", &[("pharmacy", "FZZ01")]).await;
        assert_eq!(chosen.location(), "/pharmacy?done=saved");
        let order = ordered(&node).await;
        let page = jane.get(&order).await.text;
        assert!(page.contains("Your pharmacy: FZZ01"), "{page}");
        let log = jane.get("/access-log").await.text;
        assert!(
            log.contains("Ordered medicines, or chose a pharmacy"),
            "{log}"
        );
    });
}

#[test]
fn who_acts_for_somebody_orders_only_by_leave_to_order() {
    on_each_database(async |ground| {
        let node = practice(ground).await;
        patient(
            &node.store,
            ["tom", "Tom Helper", "tom", "9990000018", "1970-02-03"],
        )
        .await;
        let see = [("see-medicines", "yes")];
        let (mut tom, _) = people::tests::acting(&node, &see).await;
        let page = tom.get("/prescriptions/order").await;
        assert!(
            page.text.contains("Some items are not shown to people"),
            "{}",
            page.text
        );
        let refused = tom.post("/prescriptions/order", &BOTH).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        let may = [("see-medicines", "yes"), ("see-orders", "yes")];
        let (mut tom, _) = people::tests::acting(&node, &may).await;
        tom.get("/prescriptions/order").await;
        let placed = tom.post("/prescriptions/order", &BOTH).await;
        assert_eq!(placed.status, StatusCode::SEE_OTHER, "{}", placed.text);
        let mut jane = jane(&node).await;
        let list = jane.get("/prescriptions").await.text;
        assert_eq!(
            list.matches("You have asked for it already.").count(),
            2,
            "{list}"
        );
        let (mut tom, _) = people::tests::acting(&node, &[("see-letters", "yes")]).await;
        let none = tom.get("/prescriptions").await;
        assert_eq!(none.status, StatusCode::FORBIDDEN);
    });
}

#[test]
fn the_pages_are_in_welsh_too() {
    on_each_database(async |ground| {
        let node = practice(ground).await;
        let mut jane = jane(&node).await;
        let english = jane.get("/prescriptions/order").await.text;
        assert!(english.contains("lang=\"cy\">Cymraeg") || english.contains(">Cymraeg</a>"));
        let chosen = jane.get("/language?to=cy&next=/prescriptions/order").await;
        assert_eq!(chosen.location(), "/prescriptions/order");
        let welsh = jane.get("/prescriptions/order").await.text;
        assert!(
            welsh.contains("Archebu meddyginiaethau rheolaidd"),
            "{welsh}"
        );
        assert!(welsh.contains("id=\"maincontent\" lang=\"cy\""), "{welsh}");
        for elsewhere in ["//example.org", "/staff/inbox", "https://example.org"] {
            let to = jane.get(&format!("/language?to=en&next={elsewhere}")).await;
            assert_eq!(to.location(), "/prescriptions", "{elsewhere}");
        }
    });
}

#[test]
fn medicines_are_ordered_at_a_practice_alone() {
    on_each_database(async |ground| {
        let mut node = bare_node(ground).await;
        node.site.roles = vec!["hospital".into()];
        letters::patient(&node.store).await;
        let node = Arc::new(node);
        let mut jane = jane(&node).await;
        assert!(!jane.get("/").await.text.contains("Prescriptions"));
        for address in ["/prescriptions", "/prescriptions/order", "/pharmacy"] {
            assert_eq!(
                jane.get(address).await.status,
                StatusCode::NOT_FOUND,
                "{address}"
            );
        }
    });
}
