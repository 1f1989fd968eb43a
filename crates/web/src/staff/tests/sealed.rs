//! What the pages show of letters that are sealed, or withheld from who asks.

use std::sync::Arc;

use access::Relationships;
use http::StatusCode;
use store::care::CareWrite;
use store::testing::{Ground, on_each_database};
use store::{Effect, Job, Store};

use crate::Node;
use crate::testing::letters::{self, Letter};
use crate::testing::{Browser, join, node_with};

const DAY: i64 = 86_400_000;

/// Words that stand in the letter and nowhere else.
const CANARIES: [&str; 4] = ["Chlamydia", "azithromycin", "RZZ01", "A. Writer"];

fn letter() -> Letter {
    Letter {
        title: "Chlamydia result".into(),
        text: "Treated with azithromycin.".into(),
        ..Letter::default()
    }
}

async fn signed_in(node: &Arc<Node>, login: &str) -> Browser {
    let mut browser = Browser::new(node);
    browser.sign_in("/staff/login", login).await;
    browser
}

/// A node at which Dr Bo is in the workgroup `gum`, and the clerk Ann is not.
async fn clinic(ground: &Ground, relationships: Relationships) -> Arc<Node> {
    let mut settings = ground.settings.clone();
    settings.relationships = relationships;
    let node = node_with(Store::open(settings).await.unwrap()).await;
    letters::patient(&node.store).await;
    join(&node.store, "bo", "gum").await;
    node
}

/// Every page on which a letter could stand.
fn pages(pid: i64) -> Vec<String> {
    let mut pages: Vec<String> = ["open", "unmatched", "done", "ended", "all"]
        .iter()
        .map(|show| format!("/staff/inbox?show={show}"))
        .collect();
    pages.extend([
        "/staff/inbox?show=all&from=RZZ02".to_owned(),
        "/staff/sent".to_owned(),
        "/staff/worklist".to_owned(),
        "/staff/patient/jane".to_owned(),
        "/staff/patient/jane/shared".to_owned(),
        format!("/staff/item/{pid}"),
        format!("/staff/item/{pid}/content/0"),
        format!("/staff/sent/{pid}"),
        format!("/staff/sent/{pid}/content/0"),
    ]);
    pages
}

async fn shows_nothing_of_it(browser: &mut Browser, pid: i64) {
    for page in pages(pid) {
        let answer = browser.get(&page).await;
        for canary in CANARIES {
            assert!(!answer.text.contains(canary), "{page} shows {canary}");
        }
    }
}

#[test]
fn p11_a_clerk_sees_that_a_sealed_letter_is_there_and_not_what_it_says() {
    on_each_database(async |ground| {
        let node = clinic(ground, Relationships::Organisation).await;
        let pid = letters::receive(&node.store, &letter()).await;
        letters::seal(&node.store, pid, &letter(), "sealed").await;
        let mut ann = signed_in(&node, "ann").await;
        shows_nothing_of_it(&mut ann, pid).await;
        let inbox = ann.get("/staff/inbox").await.text;
        for shown in ["Sealed letter", "EXAMPLE, Jane", "Not shown to you"] {
            assert!(inbox.contains(shown), "{shown}: {inbox}");
        }
        let narrowed = ann.get("/staff/inbox?show=open&from=RZZ01").await.text;
        assert!(!narrowed.contains("Sealed letter"), "{narrowed}");
        assert!(narrowed.contains("withheld from you are left out"));
        let item = ann.get(&format!("/staff/item/{pid}")).await;
        assert_eq!(item.status, StatusCode::OK);
        assert!(item.text.contains("sealed to a team that you are not in"));
        for step in ["file", "return"] {
            let fields = [("reason", "moved")];
            let address = format!("/staff/item/{pid}/{step}");
            let answer = ann.post(&address, &fields).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{step}");
        }
        // The team reads and files it; another clinician is told how to unseal it.
        let mut bo = signed_in(&node, "bo").await;
        let item = bo.get(&format!("/staff/item/{pid}")).await.text;
        assert!(item.contains("Treated with azithromycin."), "{item}");
        let filed = bo.post(&format!("/staff/item/{pid}/file"), &[]).await;
        assert_eq!(filed.status, StatusCode::SEE_OTHER);
        shows_nothing_of_it(&mut ann, pid).await;
    });
}

#[test]
fn p12_a_letter_that_is_sealed_and_locked_is_on_no_page_outside_its_workgroup() {
    on_each_database(async |ground| {
        let node = clinic(ground, Relationships::Organisation).await;
        let pid = letters::receive(&node.store, &letter()).await;
        let sent = letters::send(&node.store, &letter()).await;
        letters::give_up(&node.store).await;
        letters::seal(&node.store, pid, &letter(), "sealed-and-locked").await;
        letters::seal_sent(&node.store, &letter(), "sealed-and-locked").await;
        let mut ann = signed_in(&node, "ann").await;
        shows_nothing_of_it(&mut ann, pid).await;
        shows_nothing_of_it(&mut ann, sent).await;
        for (list, empty) in [
            ("/staff/inbox", "No letter is waiting to be filed."),
            ("/staff/inbox?show=all", "No letter has come in yet."),
            ("/staff/sent", "No letter has been sent yet."),
            (
                "/staff/worklist",
                "Every letter, handover, question and notice that was sent has arrived or is on its way.",
            ),
        ] {
            let text = ann.get(list).await.text;
            assert!(text.contains(empty), "{list}: {text}");
            assert!(!text.contains("(1)"), "{list} counts it: {text}");
        }
        for (address, ghost) in [
            (format!("/staff/item/{pid}"), "/staff/item/9999"),
            (format!("/staff/sent/{sent}"), "/staff/sent/9999"),
        ] {
            let (there, absent) = (ann.get(&address).await, ann.get(ghost).await);
            assert_eq!(there.status, StatusCode::NOT_FOUND);
            assert_eq!(absent.status, StatusCode::NOT_FOUND);
            let said = "There is no such";
            assert_eq!(there.text.contains(said), absent.text.contains(said));
        }
        let file = ann.post(&format!("/staff/item/{pid}/file"), &[]).await;
        assert_eq!(file.status, StatusCode::NOT_FOUND);
        let mut bo = signed_in(&node, "bo").await;
        for list in ["/staff/inbox", "/staff/sent"] {
            let text = bo.get(list).await.text;
            assert!(text.contains("Chlamydia result"), "{list}: {text}");
        }
        let work = bo.get("/staff/worklist").await.text;
        assert!(work.contains("Letter to FZZ99"), "{work}");
    });
}

#[test]
fn p02_a_clerk_files_what_came_for_a_patient_in_care_without_a_claim_and_is_told_what_is_withheld()
{
    on_each_database(async |ground| {
        let node = clinic(ground, Relationships::Required).await;
        let first = letters::receive(&node.store, &letter()).await;
        let mut ann = signed_in(&node, "ann").await;
        let item = ann.get(&format!("/staff/item/{first}")).await.text;
        assert!(item.contains("azithromycin"), "{item}");
        let filed = ann.post(&format!("/staff/item/{first}/file"), &[]).await;
        assert_eq!(filed.status, StatusCode::SEE_OTHER);
        // Half a year later the letter alone is no reason to look any more.
        let second = letters::receive(&node.store, &letter()).await;
        ground.clock().advance(184 * DAY);
        let mut ann = signed_in(&node, "ann").await;
        shows_nothing_of_it(&mut ann, second).await;
        let inbox = ann.get("/staff/inbox").await.text;
        assert!(inbox.contains("Letter withheld from you"), "{inbox}");
        assert!(!inbox.contains("EXAMPLE, Jane"), "{inbox}");
        let item = ann.get(&format!("/staff/item/{second}")).await.text;
        assert!(item.contains("nobody has recorded that you"), "{item}");
        assert!(item.contains("relationship&#x2f;jane"), "{item}");
        ann.get("/staff/relationship/jane").await;
        let fields = [("reason", "She asks at the desk about it")];
        ann.post("/staff/relationship/jane", &fields).await;
        let item = ann.get(&format!("/staff/item/{second}")).await.text;
        assert!(item.contains("azithromycin"), "{item}");
    });
}

#[test]
fn p05_a_letter_opened_in_an_emergency_is_read_and_not_filed() {
    on_each_database(async |ground| {
        let node = clinic(ground, Relationships::Required).await;
        let pid = letters::receive(&node.store, &letter()).await;
        ground.clock().advance(184 * DAY);
        let mut bo = signed_in(&node, "bo").await;
        assert!(
            !bo.get(&format!("/staff/item/{pid}"))
                .await
                .text
                .contains("azithromycin")
        );
        let account = crate::testing::account(&node.store, "bo").await;
        let told = store::care::Told {
            patient: "jane".into(),
            organisation: "A81001".into(),
            account,
            name: "Dr Bo Test".into(),
            role: "clinician".into(),
            code: "unable-to-ask".into(),
            reason: "Found unconscious".into(),
        };
        let open = CareWrite::Open {
            kind: access::OpeningKind::Emergency,
            told,
            ends_at: node.store.now() + 3_600_000,
        };
        let scope = access::Scope::system(access::SystemPurpose::Measure);
        let job = Job::effect(Effect::Care(open));
        node.store.commit(&scope, job).await.unwrap();
        let item = bo.get(&format!("/staff/item/{pid}")).await.text;
        assert!(item.contains("azithromycin"), "{item}");
        assert!(!item.contains("File letter"), "{item}");
        assert!(item.contains("because you opened the record"), "{item}");
        let filed = bo.post(&format!("/staff/item/{pid}/file"), &[]).await;
        assert_eq!(filed.status, StatusCode::FORBIDDEN);
    });
}
