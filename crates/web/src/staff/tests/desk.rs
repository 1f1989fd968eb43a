//! The workbench: letters filed together, whose work is whose, tasks, teams, letters that are written here.

mod blueprints;
mod letters;
mod pages;

use std::sync::Arc;

use access::{Ods, Scope, SystemPurpose};
use http::StatusCode;
use store::parcels::{State, UNDO_MILLIS};
use store::testing::on_each_database;

use super::clerk;
use super::discharges::hidden;
use crate::Node;
use crate::testing::letters as brought;
use crate::testing::letters::Letter;
use crate::testing::{Browser, account};

async fn titled(node: &Node, title: &str, urgent: bool) -> i64 {
    let letter = Letter {
        title: title.into(),
        urgent,
        ..Letter::default()
    };
    brought::receive(&node.store, &letter).await
}

/// The steps that the sender is to be told by now.
async fn to_tell(node: &Node) -> Vec<State> {
    let scope = Scope::system(SystemPurpose::Measure);
    let sender = Ods::parse("RZZ01").unwrap();
    let told = node.store.to_tell(&scope, &sender, 100).await.unwrap();
    told.into_iter().map(|it| it.state).collect()
}

async fn signed_in(node: &Arc<Node>, login: &str) -> Browser {
    let mut browser = Browser::new(node);
    browser.sign_in("/staff/login", login).await;
    browser
}

fn together(pids: &[i64]) -> String {
    let pids: Vec<String> = pids.iter().map(|pid| format!("pid={pid}")).collect();
    format!("/staff/inbox/bulk?{}", pids.join("&"))
}

/// Files these together; where it leads.
async fn file(browser: &mut Browser, pids: &[i64]) -> crate::testing::Answer {
    let page = browser.get(&together(pids)).await.text;
    let attempt = hidden(&page, "attempt").to_owned();
    let texts: Vec<String> = pids.iter().map(i64::to_string).collect();
    let mut fields = vec![("do", "file"), ("attempt", attempt.as_str())];
    fields.extend(texts.iter().map(|it| ("pid", it.as_str())));
    browser.post("/staff/inbox/bulk", &fields).await
}

#[test]
fn a_letter_that_nobody_opened_or_that_is_urgent_is_not_filed_with_others() {
    on_each_database(async |ground| {
        let (node, mut ann) = clerk(ground).await;
        let (a, b) = (
            titled(&node, "Letter a", false).await,
            titled(&node, "Letter b", false).await,
        );
        let (urgent, unread) = (
            titled(&node, "Letter c", true).await,
            titled(&node, "Letter d", false).await,
        );
        for pid in [a, b, urgent] {
            ann.get(&format!("/staff/item/{pid}")).await;
        }
        let all = [a, b, urgent, unread];
        let page = ann.get(&together(&all)).await.text;
        let said = "2 letters will be filed; 2 stay: 1 is urgent, 1 is not opened by anybody yet.";
        assert!(page.contains(said), "{page}");
        let done = file(&mut ann, &all).await;
        assert_eq!(
            done.location(),
            "/staff/inbox/bulk?done=filed",
            "{}",
            done.text
        );
        let open = ann.get("/staff/inbox").await.text;
        assert!(
            open.contains("Letter c") && open.contains("Letter d"),
            "{open}"
        );
        assert!(!open.contains("Letter a") && !open.contains("Letter b"));
        // The letters that stayed are not filed by being chosen once more.
        let none = file_with(&mut ann, &[urgent, unread]).await;
        assert_eq!(none.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(
            none.text
                .contains("None of the letters that were chosen can be filed")
        );
    });
}

/// The same past the page, which offers no button.
async fn file_with(browser: &mut Browser, pids: &[i64]) -> crate::testing::Answer {
    let texts: Vec<String> = pids.iter().map(i64::to_string).collect();
    let attempt = uuid::Uuid::new_v4().to_string();
    let mut fields = vec![("do", "file"), ("attempt", attempt.as_str())];
    fields.extend(texts.iter().map(|it| ("pid", it.as_str())));
    browser.get("/staff/inbox/bulk").await;
    browser.post("/staff/inbox/bulk", &fields).await
}

#[test]
fn what_was_filed_together_is_undone_before_any_sender_or_patient_is_told() {
    on_each_database(async |ground| {
        let (node, mut ann) = clerk(ground).await;
        let mut jane = Browser::new(&node);
        jane.sign_in("/login", "jane").await;
        let (a, b) = (
            titled(&node, "Letter a", false).await,
            titled(&node, "Letter b", false).await,
        );
        for pid in [a, b] {
            ann.get(&format!("/staff/item/{pid}")).await;
        }
        file(&mut ann, &[a, b]).await;
        let page = ann.get("/staff/inbox/bulk").await.text;
        assert!(
            page.contains("2 letters") && page.contains("Can be undone"),
            "{page}"
        );
        // Without a mouse too, and the page says by which key.
        assert!(
            page.contains("data-key=\"u\"") && page.contains("undo the filing"),
            "{page}"
        );
        let at = page
            .find("/undo")
            .or_else(|| page.find("&#x2f;undo"))
            .unwrap();
        let (before, _) = page.split_at(at);
        let id = before.rsplit(['/', ';']).next().unwrap().to_owned();
        assert!(!to_tell(&node).await.contains(&State::Filed));
        let letter = format!("/record/letters/d{a}");
        assert_eq!(jane.get(&letter).await.status, StatusCode::NOT_FOUND);
        let undone = ann.post(&format!("/staff/inbox/bulk/{id}/undo"), &[]).await;
        assert_eq!(
            undone.location(),
            "/staff/inbox/bulk?done=undone",
            "{}",
            undone.text
        );
        let open = ann.get("/staff/inbox").await.text;
        assert!(
            open.contains("Letter a") && open.contains("Letter b"),
            "{open}"
        );
        let item = ann.get(&format!("/staff/item/{a}")).await.text;
        assert!(item.contains("which was undone") && item.contains("Put back into the inbox"));
        // The time goes by: nobody was told, and nobody is.
        ground.clock().advance(UNDO_MILLIS + 60_000);
        assert!(!to_tell(&node).await.contains(&State::Filed));
        assert_eq!(jane.get(&letter).await.status, StatusCode::NOT_FOUND);
        let again = ann.post(&format!("/staff/inbox/bulk/{id}/undo"), &[]).await;
        assert_eq!(
            again.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{}",
            again.text
        );
    });
}

#[test]
fn once_the_time_is_over_senders_and_patients_are_told_and_nothing_is_undone() {
    on_each_database(async |ground| {
        let (node, mut ann) = clerk(ground).await;
        let mut jane = Browser::new(&node);
        jane.sign_in("/login", "jane").await;
        let mut bo = signed_in(&node, "bo").await;
        let (a, b) = (
            titled(&node, "Letter a", false).await,
            titled(&node, "Letter b", false).await,
        );
        for pid in [a, b] {
            bo.get(&format!("/staff/item/{pid}")).await;
        }
        file(&mut ann, &[a, b]).await;
        // What a clinician did meanwhile is told at once, and stays whatever is undone.
        bo.get(&format!("/staff/item/{b}")).await;
        let outcome = [("outcome", "Tablets changed")];
        let acted = bo.post(&format!("/staff/item/{b}/act"), &outcome).await;
        assert_eq!(acted.status, StatusCode::SEE_OTHER, "{}", acted.text);
        assert!(to_tell(&node).await.contains(&State::ActedOn));
        let scope = super::discharges::sent(&node).await;
        let filing = node.store.filings(&scope).await.unwrap().remove(0);
        ground.clock().advance(UNDO_MILLIS + 60_000);
        let filed = to_tell(&node).await;
        assert_eq!(filed.iter().filter(|it| **it == State::Filed).count(), 2);
        let letter = format!("/record/letters/d{a}");
        assert_eq!(jane.get(&letter).await.status, StatusCode::OK);
        ann.get("/staff/inbox/bulk").await;
        let address = format!("/staff/inbox/bulk/{}/undo", filing.id);
        let late = ann.post(&address, &[]).await;
        assert!(
            late.text.contains("cannot be undone any more"),
            "{}",
            late.text
        );
        assert!(!ann.get("/staff/inbox").await.text.contains("Letter a"));
    });
}

#[test]
fn of_two_who_act_on_one_letter_the_later_is_told_who_was_faster() {
    on_each_database(async |ground| {
        let (node, mut ann) = clerk(ground).await;
        let mut bo = signed_in(&node, "bo").await;
        let pid = titled(&node, "Letter a", false).await;
        let address = format!("/staff/item/{pid}");
        ann.get(&address).await;
        bo.get(&address).await;
        ann.post(&format!("{address}/file"), &[]).await;
        let late = bo.post(&format!("{address}/file"), &[]).await;
        assert_eq!(
            late.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{}",
            late.text
        );
        assert!(
            late.text
                .contains("Ann Secretary filed this letter on Monday 5 January 2026")
        );
        assert!(
            late.text
                .contains("Nothing of what you did just now was recorded.")
        );
        let other = titled(&node, "Letter b", false).await;
        let both = [pid, other];
        bo.get(&format!("/staff/item/{other}")).await;
        let page = bo.get(&together(&both)).await.text;
        assert!(
            page.contains("1 letter will be filed; 1 stays: 1 is done with already."),
            "{page}"
        );
    });
}

#[test]
fn letters_are_given_to_people_and_teams_and_a_view_of_them_is_saved() {
    on_each_database(async |ground| {
        let (node, mut ann) = clerk(ground).await;
        let (a, b) = (
            titled(&node, "Letter a", false).await,
            titled(&node, "Letter b", false).await,
        );
        let me = format!("a:{}", account(&node.store, "ann").await);
        let item = format!("/staff/item/{a}");
        ann.get(&item).await;
        let given = ann.post(&format!("{item}/assign"), &[("to", &me)]).await;
        assert_eq!(given.location(), format!("{item}?done=assigned"));
        assert!(ann.get(&item).await.text.contains("Given by Ann Secretary"));
        let mine = ann.get("/staff/inbox?who=me").await.text;
        assert!(
            mine.contains("Letter a") && !mine.contains("Letter b"),
            "{mine}"
        );
        let nobodys = ann.get("/staff/inbox?who=none").await.text;
        assert!(!nobodys.contains("Letter a") && nobodys.contains("Letter b"));
        let mut bo = signed_in(&node, "bo").await;
        let theirs = bo.get("/staff/inbox?who=me").await.text;
        assert!(
            theirs.contains("No letter on this list is theirs."),
            "{theirs}"
        );
        assert!(
            bo.get(&format!("/staff/inbox?who={me}"))
                .await
                .text
                .contains("Letter a")
        );
        let wrong = [("to", "a:999999")];
        ann.get(&item).await;
        let refused = ann.post(&format!("/staff/item/{b}/assign"), &wrong).await;
        assert_eq!(
            refused.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{}",
            refused.text
        );
        let save = [("name", "My <work>"), ("query", "show=open&who=me&done=x")];
        let saved = ann.post("/staff/inbox/filters", &save).await;
        assert_eq!(saved.location(), "/staff/inbox?show=open&who=me");
        let page = ann.get(saved.location()).await.text;
        assert!(page.contains("My &lt;work&gt;"), "{page}");
        assert!(
            !bo.get("/staff/inbox")
                .await
                .text
                .contains("My &lt;work&gt;")
        );
        let drop = [("name", "My <work>"), ("query", ""), ("do", "drop")];
        ann.post("/staff/inbox/filters", &drop).await;
        assert!(
            !ann.get("/staff/inbox")
                .await
                .text
                .contains("My &lt;work&gt;")
        );
    });
}
