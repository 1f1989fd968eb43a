use axum::body::Body;
use http::{Request, StatusCode};
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
fn the_board_shows_where_a_letter_is_and_why_it_waits() {
    on_each_database(async |ground| {
        let (node, mut browser) = clerk(ground).await;
        let pid = letters::send(&node.store, &Letter::default()).await;
        letters::fail_to_send(&node.store, node.store.now() + 60_000).await;
        let board = browser.get("/staff/sent").await;
        for shown in [
            "Waiting to be sent",
            "The other node does not answer. Next try",
            "FZZ99",
        ] {
            assert!(board.text.contains(shown), "{shown}");
        }
        let address = format!("/staff/sent/{pid}");
        assert!(
            browser
                .get(&address)
                .await
                .text
                .contains("Withdraw this letter")
        );
        let withdraw = format!("{address}/withdraw");
        let empty = browser.post(&withdraw, &[("why", " ")]).await;
        assert!(empty.text.contains("Enter why the letter is withdrawn"));
        let done = browser.post(&withdraw, &[("why", "Wrong patient")]).await;
        assert_eq!(done.location(), format!("{address}?done=withdrawn"));
        let item = browser.get(&address).await;
        assert!(item.text.contains("Wrong patient") && !item.text.contains("Withdraw this letter"));
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

/// A20, and the doors of the patients' pages.
#[test]
fn engineers_and_patients_see_no_letters_of_the_staff() {
    on_each_database(async |ground| {
        let (node, mut engineer) = signed_in(ground, "ed").await;
        let pid = letters::receive(&node.store, &Letter::default()).await;
        let mut patient = Browser::new(&node);
        patient.sign_in("/login", "jane").await;
        let pages = [
            "/staff/inbox".to_owned(),
            "/staff/sent".to_owned(),
            format!("/staff/item/{pid}"),
            format!("/staff/item/{pid}/content/0"),
        ];
        for address in pages {
            for browser in [&mut engineer, &mut patient] {
                let answer = browser.get(&address).await;
                assert_eq!(answer.status, StatusCode::FORBIDDEN, "{address}");
                assert!(!answer.text.contains("Discharge"), "{address}");
            }
        }
        assert_eq!(engineer.get("/staff/worklist").await.status, StatusCode::OK);
        assert_eq!(
            patient.get("/staff/worklist").await.status,
            StatusCode::FORBIDDEN
        );
    });
}

#[test]
fn a_stranger_is_sent_to_sign_in_and_comes_back() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let mut browser = Browser::new(&node);
        let answer = browser.get("/staff/sent").await;
        assert_eq!(answer.location(), "/staff/login?next=%2Fstaff%2Fsent");
        assert!(
            browser
                .get(answer.location())
                .await
                .text
                .contains("&#x2f;staff&#x2f;sent")
        );
        assert_eq!(
            browser.get("/record").await.location(),
            "/login?next=%2Frecord"
        );
    });
}

#[test]
fn an_address_that_is_none_is_answered_by_a_page_with_a_next_step() {
    on_each_database(async |ground| {
        let (_, mut browser) = clerk(ground).await;
        let pages = [
            "/staff/item/999999",
            "/staff/item/abc",
            "/staff/nothing",
            "/staff/sent/1",
        ];
        for address in pages {
            let answer = browser.get(address).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{address}");
            assert!(
                answer.text.contains("Page not found"),
                "{address}: {}",
                answer.text
            );
            assert!(answer.text.contains("Go to the inbox"), "{address}");
        }
        let wrong = browser
            .send(Request::delete("/staff/inbox"), Body::empty())
            .await;
        assert!(wrong.status.is_client_error());
    });
}

/// X10: what a letter holds besides text.
#[test]
fn a_pdf_is_fetched_as_a_file_that_may_do_nothing() {
    on_each_database(async |ground| {
        let (node, mut browser) = clerk(ground).await;
        let text = "%PDF-1.4 /OpenAction << /JS (bad()) >>".to_owned();
        let letter = Letter {
            text,
            content_type: "application/pdf",
            ..Letter::default()
        };
        let pid = letters::receive(&node.store, &letter).await;
        let page = browser.get(&format!("/staff/item/{pid}")).await;
        assert!(!page.text.contains("OpenAction"), "{}", page.text);
        let file = browser.get(&format!("/staff/item/{pid}/content/0")).await;
        assert_eq!(file.headers["content-type"], "application/pdf");
        assert_eq!(
            file.headers["content-disposition"],
            "attachment; filename=\"letter.pdf\""
        );
        assert!(
            file.headers["content-security-policy"]
                .to_str()
                .unwrap()
                .contains("sandbox")
        );
        assert!(file.text.contains("OpenAction"), "as it came");
    });
}

#[test]
fn a_change_is_announced_to_an_open_board() {
    use futures_util::StreamExt;
    use http::header::COOKIE;
    use tower::ServiceExt;

    on_each_database(async |ground| {
        let (node, browser) = clerk(ground).await;
        letters::send(&node.store, &Letter::default()).await;
        let cookies: Vec<String> = browser
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let request = Request::get("/staff/sent/events").header(COOKIE, cookies.join("; "));
        let request = request.body(Body::empty()).unwrap();
        let response = crate::router(node.clone()).oneshot(request).await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut events = response.into_body().into_data_stream();
        letters::fail_to_send(&node.store, 0).await;
        let waited = tokio::time::timeout(std::time::Duration::from_secs(1), events.next()).await;
        let told = waited.expect("within a second").unwrap().unwrap();
        assert_eq!(&told[..], b"event: changed\ndata: now\n\n".as_slice());
    });
}

#[test]
fn a_refused_message_stands_on_the_work_list_until_someone_settles_it() {
    on_each_database(async |ground| {
        let (node, mut browser) = clerk(ground).await;
        let number = letters::refuse_message(&node.store, "M1").await;
        let list = browser.get("/staff/worklist").await;
        for shown in [
            "MDM T02 M1",
            "PAS at A81001",
            "Refused",
            "has no patient",
            "put it right",
        ] {
            assert!(list.text.contains(shown), "{shown}: {}", list.text);
        }
        let address = format!("/staff/worklist/messages/{number}");
        let message = browser.get(&address).await;
        assert!(
            message.text.contains("&lt;script&gt;bad()"),
            "{}",
            message.text
        );
        assert!(message.text.contains("MSA|AE|1"));
        // Engineers settle what is stuck without seeing whom it is about.
        let mut engineer = Browser::new(&node);
        engineer.sign_in("/staff/login", "ed").await;
        assert_eq!(engineer.get(&address).await.status, StatusCode::FORBIDDEN);
        let list = engineer.get("/staff/worklist").await;
        assert!(list.text.contains("MDM T02 M1") && !list.text.contains(&format!("{address}\"")));
        let settled = engineer.post(&format!("{address}/settled"), &[]).await;
        assert_eq!(settled.location(), "/staff/worklist?done=settled");
        let list = engineer.get(settled.location()).await;
        assert!(
            list.text
                .contains("Every HL7 message that came in has been worked through.")
        );
        let other = letters::refuse_message(&node.store, "M2").await;
        let again = format!("/staff/worklist/messages/{other}/replay");
        assert_eq!(
            engineer.post(&again, &[]).await.location(),
            "/staff/worklist?done=replayed"
        );
    });
}

#[test]
fn what_could_not_be_delivered_is_sent_again_by_a_clerk_only() {
    on_each_database(async |ground| {
        let (node, mut browser) = clerk(ground).await;
        let pid = letters::send(&node.store, &Letter::default()).await;
        letters::give_up(&node.store).await;
        let list = browser.get("/staff/worklist").await;
        assert!(list.text.contains("Undeliverable"), "{}", list.text);
        let again = format!("/staff/sent/{pid}/send-again");
        assert!(
            list.text.contains(&again.replace('/', "&#x2f;")),
            "{}",
            list.text
        );
        let mut engineer = Browser::new(&node);
        engineer.sign_in("/staff/login", "ed").await;
        let seen = engineer.get("/staff/worklist").await;
        assert!(seen.text.contains("Undeliverable") && !seen.text.contains("Discharge summary"));
        assert_eq!(
            engineer.post(&again, &[]).await.status,
            StatusCode::FORBIDDEN
        );
        browser.get("/staff/worklist").await;
        let done = browser.post(&again, &[]).await;
        assert_eq!(
            done.location(),
            format!("/staff/sent/{pid}?done=sent-again")
        );
        assert!(
            browser
                .get(done.location())
                .await
                .text
                .contains("Waiting to be sent")
        );
    });
}

#[test]
fn the_board_tells_why_a_letter_came_back() {
    on_each_database(async |ground| {
        let (node, mut browser) = clerk(ground).await;
        let pid = letters::send(&node.store, &Letter::default()).await;
        letters::told(
            &node.store,
            store::parcels::State::Returned,
            "Not our patient.",
        )
        .await;
        let board = browser.get("/staff/sent?show=failed").await;
        assert!(board.text.contains("Not our patient."), "{}", board.text);
        let item = browser.get(&format!("/staff/sent/{pid}")).await;
        assert_eq!(
            item.text.matches("Not our patient.").count(),
            2,
            "notice and journey"
        );
    });
}
