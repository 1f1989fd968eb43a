//! The delivery board and the work list.

use axum::body::Body;
use http::{Request, StatusCode};
use store::testing::on_each_database;

use super::clerk;
use crate::testing::Browser;
use crate::testing::letters::{self, Letter};

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
        let message = engineer.get(&address).await;
        assert!(!message.text.contains("bad()"), "{}", message.text);
        let list = engineer.get("/staff/worklist").await;
        assert!(list.text.contains("MDM T02 M1"), "{}", list.text);
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
