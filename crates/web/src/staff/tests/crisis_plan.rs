//! A crisis plan is its team's, and opens to others in an emergency alone.

use std::sync::Arc;

use http::StatusCode;
use store::testing::{Ground, on_each_database};

use crate::Node;
use crate::testing::{Browser, join, letters, node, second_step};

const PAGE: &str = "/staff/crisis-plan/jane";
const WRITE: &str = "/staff/crisis-plan/jane/write";
const WHY: &str = "Found in great distress at the station";

/// A node at which Dr Bo is in the crisis team, and `dee` is a clinician of no team.
async fn clinic(ground: &Ground) -> Arc<Node> {
    let node = node(ground).await;
    letters::patient(&node.store).await;
    join(&node.store, "bo", "crisis-team").await;
    let new = store::accounts::NewAccount {
        login: "dee".into(),
        name: "Dr Dee Other".into(),
        holder: store::accounts::Holder::Staff {
            role: access::Role::Clinician,
            organisation: node.site.organisation.clone(),
        },
        password_hash: Some(crate::sign_in::password::hash(crate::testing::PASSWORD).unwrap()),
    };
    node.store.open_account(new).await.unwrap();
    node
}

async fn staff(node: &Arc<Node>, login: &str) -> Browser {
    let mut browser = Browser::new(node);
    browser.sign_in("/staff/login", login).await;
    browser
}

/// What a hidden field of the page holds.
fn hidden<'t>(page: &'t str, name: &str) -> &'t str {
    let (_, rest) = page
        .split_once(&format!("name=\"{name}\" value=\""))
        .unwrap();
    rest.split_once('"').unwrap().0
}

async fn write(bo: &mut Browser, more: &[(&str, &str)]) -> crate::testing::Answer {
    let page = bo.get(WRITE).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let attempt = hidden(&page.text, "attempt").to_owned();
    let mut fields = vec![
        ("attempt", attempt.as_str()),
        ("version", "0"),
        ("team", "crisis-team"),
        ("signs", "Canary sleeps little"),
        ("helps", "Canary quiet room"),
        ("then", "keep"),
    ];
    fields.extend(more);
    bo.post(WRITE, &fields).await
}

#[test]
fn a_crisis_plan_is_its_teams_and_opens_to_others_in_an_emergency_that_is_told() {
    on_each_database(async |ground| {
        let node = clinic(ground).await;
        let mut bo = staff(&node, "bo").await;
        let kept = write(&mut bo, &[]).await;
        assert_eq!(
            kept.location(),
            format!("{PAGE}?done=kept"),
            "{}",
            kept.text
        );
        let page = bo.get(PAGE).await.text;
        assert!(page.contains("Canary quiet room") && page.contains("Change or end"));
        // Others who care for her are told that something is not shared, and nothing of it.
        let mut dee = staff(&node, "dee").await;
        let secret = second_step(&node.store, "dee").await;
        let mut ann = staff(&node, "ann").await;
        for who in [&mut dee, &mut ann] {
            let page = who.get(PAGE).await.text;
            assert!(
                page.contains("1 care plan is not shared with you."),
                "{page}"
            );
            assert!(page.contains("Emergency access is possible."), "{page}");
            assert!(!page.contains("No crisis plan is recorded"), "{page}");
            assert!(
                !page.contains("Canary") && !page.contains("crisis-team"),
                "{page}"
            );
            let record = who.get("/staff/patient/jane").await.text;
            assert!(record.contains("1 item is withheld."), "{record}");
            assert_eq!(who.get(WRITE).await.status, StatusCode::FORBIDDEN);
        }
        // An emergency opens it, to who opened it and to nobody else.
        let opening = "/staff/emergency-access/jane";
        dee.step_up(&node.store, &secret, opening).await;
        dee.get(opening).await;
        let fields = [("code", "safeguarding"), ("reason", WHY)];
        let opened = dee.post(opening, &fields).await;
        assert_eq!(opened.status, StatusCode::SEE_OTHER, "{}", opened.text);
        let page = dee.get(PAGE).await.text;
        assert!(page.contains("Canary quiet room"), "{page}");
        assert!(!page.contains("not shared with you"), "{page}");
        assert!(
            !page.contains("Change or end"),
            "to read, not to change: {page}"
        );
        assert!(!ann.get(PAGE).await.text.contains("Canary"));
        // The privacy officer and the patient are told.
        let mut olu = staff(&node, "olu").await;
        assert!(olu.get("/staff/privacy").await.text.contains(WHY));
        let mut jane = Browser::new(&node);
        jane.sign_in("/login", "jane").await;
        let told = jane.get("/access-log").await.text;
        assert!(told.contains("Dr Dee Other"), "{told}");
    });
}

#[test]
fn a_crisis_plan_is_written_over_what_was_seen_and_its_end_is_shown() {
    on_each_database(async |ground| {
        let node = clinic(ground).await;
        let mut bo = staff(&node, "bo").await;
        let page = bo.get(WRITE).await.text;
        let attempt = hidden(&page, "attempt").to_owned();
        let bare = [("attempt", attempt.as_str()), ("team", "crisis-team")];
        let faulty = bo.post(WRITE, &bare).await;
        assert_eq!(faulty.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(
            faulty
                .text
                .contains("Write the signs that things are getting worse")
        );
        let elsewhere = write(&mut bo, &[("team", "others")]).await;
        assert_eq!(
            elsewhere.status,
            StatusCode::SEE_OTHER,
            "the first field counts"
        );
        let page = bo.get(PAGE).await.text;
        let (_, rest) = page.split_once("write?plan=").unwrap();
        let plan = rest.split_once('"').unwrap().0.to_owned();
        let change = format!("{WRITE}?plan={plan}");
        let form = bo.get(&change).await.text;
        let version = hidden(&form, "version").to_owned();
        let attempt = hidden(&form, "attempt").to_owned();
        let mut fields = vec![
            ("attempt", attempt.as_str()),
            ("plan", plan.as_str()),
            ("version", version.as_str()),
            ("signs", "Canary paces"),
            ("helps", "Canary quiet room"),
            ("then", "end"),
        ];
        let ended = bo.post(WRITE, &fields).await;
        assert_eq!(
            ended.location(),
            format!("{PAGE}?done=ended"),
            "{}",
            ended.text
        );
        let page = bo.get(PAGE).await.text;
        assert!(
            page.contains("This plan has ended. Do not act on it."),
            "{page}"
        );
        assert!(page.contains("Canary paces"), "{page}");
        fields[5] = ("then", "keep");
        let again = bo.post(WRITE, &fields).await;
        assert_eq!(
            again.status,
            StatusCode::NOT_FOUND,
            "what has ended stays so"
        );
    });
}
