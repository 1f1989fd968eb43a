//! Rules on events: the page on which a practice manager reads them, switches them on, tries them out and undoes what they did.

mod events;

use std::sync::Arc;

use access::{Scope, SystemPurpose};
use http::StatusCode;
use serde_json::json;
use store::parcels::{ListFilter, Show};
use store::rules::{ActState, NewAct, RuleWrite, UNDO_MILLIS};
use store::testing::on_each_database;
use store::{Effect, Job, Release};

use super::clerk;
use crate::Node;
use crate::testing::Browser;
use crate::testing::letters::{self, Letter};

const HREF: &str = "/staff/rules/rule-attendances";

fn system() -> Scope {
    Scope::system(SystemPurpose::FollowRules)
}

async fn attended(node: &Node, title: &str) -> i64 {
    let letter = Letter {
        title: title.into(),
        text: "She attended. All was well.".into(),
        ..Letter::default()
    };
    letters::receive(&node.store, &letter).await
}

/// The examples are on the list, and the first is on.
async fn switched_on(browser: &mut Browser) {
    browser.get("/staff/rules").await;
    let taken = browser.post("/staff/rules/examples", &[]).await;
    assert_eq!(taken.location(), "/staff/rules?done=examples");
    browser.get(HREF).await;
    let on = browser.post(HREF, &[("do", "on"), ("version", "1")]).await;
    assert_eq!(on.location(), format!("{HREF}?done=on"), "{}", on.text);
}

/// What the worker would do about the only event that waits.
async fn follow(node: &Arc<Node>) {
    let event = node
        .store
        .rule_events(&system(), i64::MAX, 10)
        .await
        .unwrap()
        .remove(0);
    let letter = node
        .store
        .rule_letter(&system(), event.pid)
        .await
        .unwrap()
        .unwrap();
    let did = RuleWrite::Did {
        seq: event.seq,
        tries: event.tries,
        rule: event.rule.clone(),
        version: 1,
        title: "File letters".into(),
        key: event.key.clone(),
        acts: vec![NewAct {
            step: 0,
            kind: fhir::rule::StepKind::File,
            patient: "jane".into(),
            pid: event.pid,
            task: String::new(),
            state: ActState::Done,
            note: String::new(),
        }],
    };
    let mut job = Job::effect(Effect::Rule(did));
    let about = (event.rule.as_str(), "File letters", event.key.as_str(), 0);
    let until = node.store.now() + UNDO_MILLIS;
    node.store
        .add_filing(&system(), &mut job, &letter, about, until)
        .await
        .unwrap();
    node.store.commit(&system(), job).await.unwrap();
}

async fn to_do(node: &Node) -> usize {
    let list = ListFilter::new(Show::ToDo);
    node.store
        .letters(&system(), &list)
        .await
        .unwrap()
        .letters
        .len()
}

#[test]
fn a_rule_is_read_in_plain_words_and_switched_on_by_one_person() {
    on_each_database(async |ground| {
        let (_node, mut ann) = clerk(ground).await;
        let none = ann.get("/staff/rules").await;
        assert!(
            none.text.contains("There is no rule here yet."),
            "{}",
            none.text
        );
        switched_on(&mut ann).await;
        let list = ann.get("/staff/rules").await.text;
        for shown in [
            "File letters that only tell of an attendance",
            "Ann Secretary",
            "Off",
            "On",
        ] {
            assert!(list.contains(shown), "{shown}: {list}");
        }
        assert!(!list.contains("Put the examples on the list"));
        let page = ann.get(HREF).await.text;
        for shown in [
            "a letter comes in and is in somebody",
            "its title begins with",
            "startsWith",
            "can be put back for three days",
            "Switch off",
            "It has done nothing yet.",
        ] {
            assert!(page.contains(shown), "{shown}: {page}");
        }
        let off = ann.post(HREF, &[("do", "off")]).await;
        assert_eq!(off.location(), format!("{HREF}?done=off"));
        ann.get(HREF).await;
        let twice = ann.post(HREF, &[("do", "off")]).await;
        assert_eq!(twice.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(
            twice.text.contains("This rule is off already."),
            "{}",
            twice.text
        );
    });
}

#[test]
fn what_was_read_is_switched_on_and_a_change_is_not_in_force_by_itself() {
    on_each_database(async |ground| {
        let (node, mut ann) = clerk(ground).await;
        switched_on(&mut ann).await;
        let mut changed: serde_json::Value =
            serde_json::from_str(fhir::rule::examples::EXAMPLES[0]).unwrap();
        changed["action"][0]["condition"][0]["expression"]["expression"] = json!("true");
        changed["action"][0]["condition"][0]["expression"]["description"] =
            json!("it is any letter");
        letters::put(
            &node.store,
            "rule-attendances",
            &changed.to_string(),
            Release::Keep,
        )
        .await;
        let page = ann.get(HREF).await.text;
        for shown in [
            "On, changed since",
            "it is any letter",
            "its title begins with",
            "Switch on what it says now",
        ] {
            assert!(page.contains(shown), "{shown}: {page}");
        }
        let old = ann.post(HREF, &[("do", "on"), ("version", "1")]).await;
        assert_eq!(old.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(
            old.text.contains("was changed while you read it"),
            "{}",
            old.text
        );
        let switches = node.store.rule_switches(&system()).await.unwrap();
        assert_eq!((switches.len(), switches[0].version), (1, 1));
        // One that cannot be read says why, and is not offered to be switched on.
        changed["action"][0]["action"][0]["code"][0]["coding"][0]["code"] = json!("act-on");
        letters::put(
            &node.store,
            "rule-attendances",
            &changed.to_string(),
            Release::Keep,
        )
        .await;
        let page = ann.get(HREF).await.text;
        assert!(
            page.contains("cannot be switched on") && page.contains("action[0].action[0].code"),
            "{page}"
        );
        ann.get(HREF).await;
        let refused = ann.post(HREF, &[("do", "on"), ("version", "3")]).await;
        assert_ne!(refused.status, StatusCode::SEE_OTHER);
        // A rule that gives work to a team that there is not.
        let results = "/staff/rules/rule-results";
        ann.get(results).await;
        let refused = ann.post(results, &[("do", "on"), ("version", "1")]).await;
        assert!(
            refused.text.contains("There is no team “Results” here"),
            "{}",
            refused.text
        );
    });
}

#[test]
fn a_trial_over_last_month_says_what_would_have_happened_and_does_nothing() {
    on_each_database(async |ground| {
        let (node, mut ann) = clerk(ground).await;
        switched_on(&mut ann).await;
        attended(&node, "Attendance at clinic").await;
        attended(&node, "Attendance, please review").await;
        attended(&node, "Discharge summary").await;
        let sealed = attended(&node, "Attendance at another clinic").await;
        let letter = Letter {
            title: "Attendance at another clinic".into(),
            ..Letter::default()
        };
        letters::seal(&node.store, sealed, &letter, "sealed").await;
        let page = ann.get(&format!("{HREF}?try=yes")).await.text;
        for shown in [
            "4 events were looked at.",
            "Filed: 1.",
            "Withheld from you, and so not judged: 1.",
            "would not have applied to 2.",
            "Attendance at clinic",
        ] {
            assert!(page.contains(shown), "{shown}: {page}");
        }
        assert!(!page.contains("Attendance at another clinic"), "{page}");
        assert_eq!(to_do(&node).await, 4);
    });
}

#[test]
fn a_letter_that_a_rule_filed_is_marked_everywhere_and_put_back_by_one_press() {
    on_each_database(async |ground| {
        let (node, mut ann) = clerk(ground).await;
        switched_on(&mut ann).await;
        let pid = attended(&node, "Attendance at clinic").await;
        follow(&node).await;
        assert_eq!(to_do(&node).await, 0);
        let filed = ann.get("/staff/inbox?show=done").await.text;
        assert!(filed.contains("Filed by the rule"), "{filed}");
        let address = format!("/staff/item/{pid}");
        let item = ann.get(&address).await.text;
        assert!(item.contains("Filed by the rule “File letters”"), "{item}");
        assert!(item.contains("Rule: File letters"), "{item}");
        let page = ann.get(HREF).await.text;
        assert!(
            page.contains("Attendance at clinic") && page.contains("can be put back until"),
            "{page}"
        );
        let act = node
            .store
            .rule_acts(&system(), ("rule-attendances", 0), 5)
            .await
            .unwrap()
            .remove(0);
        let undo = format!("/staff/rules/acts/{}/undo", act.number);
        // An engineer sees no records, and a patient no rules.
        let mut ed = Browser::new(&node);
        ed.sign_in("/staff/login", "ed").await;
        assert_eq!(ed.get("/staff/rules").await.status, StatusCode::FORBIDDEN);
        let undone = ann.post(&undo, &[("back", "item")]).await;
        assert_eq!(
            undone.location(),
            format!("{address}?done=undone"),
            "{}",
            undone.text
        );
        assert_eq!(to_do(&node).await, 1);
        let item = ann.get(undone.location()).await.text;
        assert!(item.contains("Undone by Ann Secretary"), "{item}");
        ann.get(HREF).await;
        let since = [("do", "undo"), ("since", "2026-01-01")];
        let nothing = ann.post(HREF, &since).await;
        assert_eq!(
            nothing.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{}",
            nothing.text
        );
        let wrong = ann.post(HREF, &[("do", "undo"), ("since", "soon")]).await;
        assert!(
            wrong.text.contains("Enter the day from which on"),
            "{}",
            wrong.text
        );
    });
}
