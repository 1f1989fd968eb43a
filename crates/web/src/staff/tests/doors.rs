//! Who gets in, what strangers and wrong addresses are answered, and what is written down.

use axum::body::Body;
use http::{Request, StatusCode};
use store::testing::on_each_database;

use super::{clerk, signed_in};
use crate::testing::letters::{self, Letter};
use crate::testing::{Browser, node};

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
fn x10_a_pdf_is_fetched_as_a_file_that_may_do_nothing() {
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

/// P28, deny too; opening a letter is told with who, what, when and why.
#[test]
fn what_was_looked_at_and_what_was_refused_stands_in_the_audit_log() {
    on_each_database(async |ground| {
        let (node, mut browser) = clerk(ground).await;
        let pid = letters::receive(&node.store, &Letter::default()).await;
        browser.get(&format!("/staff/item/{pid}")).await;
        let mut engineer = Browser::new(&node);
        engineer.sign_in("/staff/login", "ed").await;
        engineer.get(&format!("/staff/item/{pid}")).await;
        let scope = access::Scope::system(access::SystemPurpose::Measure);
        let filter = store::AuditFilter {
            count: 100,
            ..Default::default()
        };
        let log = node
            .store
            .audit_page(&scope, &filter)
            .await
            .unwrap()
            .entries;
        let opened = log
            .iter()
            .find(|line| line.interaction == "open-letter")
            .unwrap();
        assert_eq!(opened.agent.name, "Ann Secretary");
        assert_eq!(opened.target.patient.as_deref(), Some("jane"));
        assert_eq!(opened.purpose, "TREAT");
        let refused = log
            .iter()
            .find(|line| line.outcome == access::Outcome::Refused)
            .unwrap();
        assert_eq!(refused.agent.name, "Ed Engineer");
        assert_eq!(refused.interaction, "item");
    });
}
