mod board;
mod cancelling;
mod care;
mod crisis_plan;
mod desk;
mod discharges;
mod doors;
mod fax;
mod messages;
mod pds;
mod prescriptions;
mod recalls;
mod rules;
mod sealed;
mod shared;
mod waiting;

use http::StatusCode;
use store::testing::{Ground, on_each_database};

use crate::testing::letters::{self, Letter};
use crate::testing::{Browser, node};

async fn clerk(ground: &Ground) -> (std::sync::Arc<crate::Node>, Browser) {
    signed_in(ground, "ann").await
}

async fn signed_in(ground: &Ground, login: &str) -> (std::sync::Arc<crate::Node>, Browser) {
    let node = node(ground).await;
    letters::patient(&node.store).await;
    let mut browser = Browser::new(&node);
    let door = if login == "jane" {
        "/login"
    } else {
        "/staff/login"
    };
    browser.sign_in(door, login).await;
    (node, browser)
}

/// UX.md: filing takes at most two clicks from the inbox.
#[test]
fn a_clerk_opens_a_letter_and_files_it() {
    on_each_database(async |ground| {
        let (node, mut browser) = clerk(ground).await;
        let pid = letters::receive(&node.store, &Letter::default()).await;
        let inbox = browser.get("/staff/inbox").await;
        assert_eq!(inbox.status, StatusCode::OK);
        for shown in [
            "EXAMPLE, Jane",
            "943 476 5919",
            "3 Feb 1961",
            "Discharge summary",
            "RZZ01",
        ] {
            assert!(inbox.text.contains(shown), "{shown}");
        }
        let item = browser.get(&format!("/staff/item/{pid}")).await;
        assert!(item.text.contains("this is the letter."), "{}", item.text);
        assert!(
            item.text.contains("cannot be undone"),
            "filing says so before"
        );
        let filed = browser.post(&format!("/staff/item/{pid}/file"), &[]).await;
        assert_eq!(
            filed.location(),
            format!("/staff/inbox?done=filed&item={pid}")
        );
        let inbox = browser.get(filed.location()).await;
        assert!(inbox.text.contains("Letter filed."));
        assert!(inbox.text.contains("No letter is waiting to be filed."));
        assert!(
            browser
                .get("/staff/inbox?show=done")
                .await
                .text
                .contains("Discharge summary")
        );
    });
}

#[test]
fn looking_twice_is_one_step_of_the_journey() {
    on_each_database(async |ground| {
        let (node, mut browser) = clerk(ground).await;
        let pid = letters::receive(&node.store, &Letter::default()).await;
        let address = format!("/staff/item/{pid}");
        browser.get(&address).await;
        let item = browser.get(&address).await;
        let opened = item.text.matches("journey__what\">Opened").count();
        assert_eq!(opened, 1);
        assert!(
            item.text.contains("Ann Secretary, clerk, A81001"),
            "{}",
            item.text
        );
    });
}

#[test]
fn a_letter_goes_back_only_with_a_reason() {
    on_each_database(async |ground| {
        let (node, mut browser) = clerk(ground).await;
        let pid = letters::receive(&node.store, &Letter::default()).await;
        let address = format!("/staff/item/{pid}");
        browser.get(&address).await;
        let answer = browser.post(&format!("{address}/return"), &[]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.text.contains("There is a problem"));
        assert!(answer.text.contains("Choose why the letter goes back"));
        let other = [("reason", "other"), ("note", "")];
        let answer = browser.post(&format!("{address}/return"), &other).await;
        assert!(answer.text.contains("Enter why the letter goes back"));
        let fields = [
            ("reason", "not-our-patient"),
            ("note", "<b>Try</b> the next practice"),
        ];
        let answer = browser.post(&format!("{address}/return"), &fields).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        let item = browser.get(&address).await;
        assert!(
            item.text.contains("Not our patient. &lt;b&gt;Try"),
            "{}",
            item.text
        );
    });
}

#[test]
fn only_a_clinician_is_offered_to_record_what_was_done() {
    on_each_database(async |ground| {
        let (node, mut browser) = clerk(ground).await;
        let pid = letters::receive(&node.store, &Letter::default()).await;
        let address = format!("/staff/item/{pid}");
        assert!(
            !browser
                .get(&address)
                .await
                .text
                .contains("Record what was done")
        );
        let act = format!("{address}/act");
        let refused = browser.post(&act, &[("outcome", "Tablets stopped")]).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        let mut clinician = Browser::new(&node);
        clinician.sign_in("/staff/login", "bo").await;
        assert!(
            clinician
                .get(&address)
                .await
                .text
                .contains("Record what was done")
        );
        let done = clinician
            .post(&act, &[("outcome", "Tablets stopped")])
            .await;
        assert_eq!(done.status, StatusCode::SEE_OTHER);
        let item = clinician.get(&address).await;
        assert!(item.text.contains("Tablets stopped") && item.text.contains("Dr Bo Test"));
    });
}

#[test]
fn an_unmatched_letter_is_matched_by_a_person_who_sees_what_differs() {
    on_each_database(async |ground| {
        let (node, mut browser) = clerk(ground).await;
        let letter = Letter {
            family: "Exemple".into(),
            ..Letter::default()
        };
        let pid = letters::receive_unmatched(&node.store, &letter).await;
        let list = browser.get("/staff/inbox?show=unmatched").await;
        assert!(list.text.contains("EXEMPLE, Jane") && list.text.contains("Unmatched"));
        let address = format!("/staff/item/{pid}");
        let item = browser.get(&address).await;
        assert!(item.text.contains("this is the letter."), "{}", item.text);
        assert!(
            item.text.contains("EXAMPLE, Jane"),
            "found by its number: {}",
            item.text
        );
        assert!(item.text.contains("(differs)") && item.text.contains("(same)"));
        assert!(
            !item.text.contains("File letter"),
            "nothing is filed for nobody"
        );
        let unknown = browser
            .post(&format!("{address}/match"), &[("patient", "nobody")])
            .await;
        assert_eq!(unknown.status, StatusCode::NOT_FOUND);
        let matched = browser
            .post(&format!("{address}/match"), &[("patient", "jane")])
            .await;
        assert_eq!(matched.location(), format!("{address}?done=matched"));
        letters::take_in(&node.store, pid, &letter).await;
        assert!(browser.get(&address).await.text.contains("File letter"));
    });
}

#[test]
fn letters_are_paged_without_leaving_one_out_or_showing_one_twice() {
    on_each_database(async |ground| {
        let (node, mut browser) = clerk(ground).await;
        for number in 0..60 {
            let title = format!("Letter number {number}.");
            let urgent = number % 7 == 0;
            letters::receive(
                &node.store,
                &Letter {
                    title,
                    urgent,
                    ..Letter::default()
                },
            )
            .await;
        }
        let mut address = "/staff/inbox".to_owned();
        let mut seen = Vec::new();
        for _ in 0..3 {
            let page = browser.get(&address).await.text;
            seen.extend(
                (0..60).filter(|number| page.contains(&format!("Letter number {number}."))),
            );
            let Some((before, _)) = page.split_once("\" rel=\"next\"") else {
                break;
            };
            let (_, href) = before.rsplit_once("href=\"").unwrap();
            address = href.replace("&#x2f;", "/").replace("&amp;", "&");
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..60).collect::<Vec<_>>());
        let urgent = browser.get("/staff/inbox?show=open&urgent=yes").await.text;
        assert!(urgent.contains("Letter number 7.") && !urgent.contains("Letter number 8."));
    });
}

#[test]
fn p23_a_clinician_holds_a_letter_back_and_releases_it_with_a_reason_and_a_clerk_does_not() {
    on_each_database(async |ground| {
        let (node, mut bo) = signed_in(ground, "bo").await;
        let pid = letters::receive(&node.store, &Letter::default()).await;
        let address = format!("/staff/item/{pid}");
        let letter = format!("/record/letters/d{pid}");
        let mut jane = Browser::new(&node);
        jane.sign_in("/login", "jane").await;
        bo.get(&address).await;
        let hold = format!("{address}/hold-back");
        for (fields, said) in [
            (vec![("held-why", "x")], "Choose why the patient should not"),
            (vec![("mark", "third-party")], "Enter what you weighed"),
        ] {
            let answer = bo.post(&hold, &fields).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{said}");
            assert!(answer.text.contains(said), "{said}");
        }
        let why = "It names the neighbour who called";
        let fields = [("mark", "third-party"), ("held-why", why)];
        let held = bo.post(&hold, &fields).await;
        assert_eq!(held.location(), format!("{address}?done=held-back"));
        // Filing, and the time after which all else is released, leave it held back.
        bo.get(&address).await;
        bo.post(&format!("{address}/file"), &[]).await;
        assert_eq!(jane.get(&letter).await.status, StatusCode::NOT_FOUND);
        let item = bo.get(&address).await.text;
        assert!(
            item.contains("Held back from the patient") && item.contains(why),
            "{item}"
        );
        let mut ann = Browser::new(&node);
        ann.sign_in("/staff/login", "ann").await;
        let seen = ann.get(&address).await.text;
        assert!(!seen.contains("Release to the patient"), "{seen}");
        let release = format!("{address}/release");
        let refused = ann.post(&release, &[("held-why", "please")]).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        bo.get(&address).await;
        let mute = bo.post(&release, &[]).await;
        assert_eq!(mute.status, StatusCode::UNPROCESSABLE_ENTITY);
        bo.get(&address).await;
        let agreed = [("held-why", "The neighbour agrees")];
        let released = bo.post(&release, &agreed).await;
        assert_eq!(released.location(), format!("{address}?done=released"));
        let shown = jane.get(&letter).await;
        assert_eq!(shown.status, StatusCode::OK, "{}", shown.text);
        assert!(shown.text.contains("this is the letter."), "{}", shown.text);
        for hidden in [why, "The neighbour agrees", "eld back", "Released to the"] {
            assert!(!shown.text.contains(hidden), "{hidden}: {}", shown.text);
        }
        let log = jane.get("/access-log").await.text;
        assert!(log.contains("Decided what you are shown"), "{log}");
    });
}
