use std::sync::Arc;

use http::StatusCode;
use store::testing::on_each_database;

use crate::testing::letters::{self, Letter};
use crate::testing::{Browser, bare_node, node, opt_outs_answered};

#[test]
fn a_patient_reads_a_letter_once_it_is_filed_and_not_before() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        let pid = letters::receive(&node.store, &Letter::default()).await;
        let mut jane = Browser::new(&node);
        assert_eq!(jane.sign_in("/login", "jane").await.location(), "/");
        let letter = format!("/record/letters/d{pid}");
        for address in ["/", "/record"] {
            let page = jane.get(address).await;
            assert_eq!(page.status, StatusCode::OK);
            assert!(!page.text.contains("Discharge summary"), "{address}");
        }
        assert_eq!(jane.get(&letter).await.status, StatusCode::NOT_FOUND);
        let file = format!("{letter}/content/0");
        assert_eq!(jane.get(&file).await.status, StatusCode::NOT_FOUND);

        let mut clerk = Browser::new(&node);
        clerk.sign_in("/staff/login", "ann").await;
        clerk.get(&format!("/staff/item/{pid}")).await;
        clerk.post(&format!("/staff/item/{pid}/file"), &[]).await;

        for address in ["/", "/record"] {
            assert!(
                jane.get(address).await.text.contains("Discharge summary"),
                "{address}"
            );
        }
        let page = jane.get(&letter).await;
        assert!(page.text.contains("this is the letter."), "{}", page.text);
        assert!(page.text.contains("journey__what\">Filed"), "{}", page.text);
        assert!(
            !page.text.contains("Ann Secretary"),
            "not by name: {}",
            page.text
        );
        assert_eq!(jane.get(&file).await.status, StatusCode::OK);
    });
}

/// PRODUCT.md: never past a third-party or serious-harm mark.
#[test]
fn a_marked_letter_stays_hidden_from_the_patient_when_it_is_filed() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        let letter = Letter {
            marked: true,
            ..Letter::default()
        };
        let pid = letters::receive(&node.store, &letter).await;
        let mut clerk = Browser::new(&node);
        clerk.sign_in("/staff/login", "ann").await;
        let item = clerk.get(&format!("/staff/item/{pid}")).await;
        assert!(
            item.text.contains("stays hidden from the patient"),
            "{}",
            item.text
        );
        clerk.post(&format!("/staff/item/{pid}/file"), &[]).await;
        let mut jane = Browser::new(&node);
        jane.sign_in("/login", "jane").await;
        assert!(!jane.get("/record").await.text.contains("Discharge summary"));
        let answer = jane.get(&format!("/record/letters/d{pid}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
    });
}

#[test]
fn the_record_says_what_is_not_shown_and_why() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        let mut jane = Browser::new(&node);
        jane.sign_in("/login", "jane").await;
        let page = jane.get("/record").await;
        assert!(page.text.contains("There is no letter to show you yet."));
        assert!(page.text.contains("What is not shown here"));
        assert!(page.text.contains("at the latest 14 days after it"));
    });
}

#[test]
fn p27_the_patient_sees_who_looked_and_why_and_that_somebody_was_refused() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        let pid = letters::receive(&node.store, &Letter::default()).await;
        let mut clerk = Browser::new(&node);
        clerk.sign_in("/staff/login", "ann").await;
        clerk.get(&format!("/staff/item/{pid}")).await;
        clerk.post(&format!("/staff/item/{pid}/file"), &[]).await;
        let mut jane = Browser::new(&node);
        jane.sign_in("/login", "jane").await;
        let home = jane.get("/").await.text;
        assert!(home.contains("access-log\""), "{home}");
        let page = jane.get("/access-log").await;
        assert_eq!(page.status, StatusCode::OK);
        for told in [
            "Ann Secretary",
            "clerk, ",
            "Opened: ",
            "Filed: ",
            "Your care",
            "You asked for it",
        ] {
            assert!(page.text.contains(told), "{told}: {}", page.text);
        }
        // The look itself is in the next one.
        assert!(
            jane.get("/access-log")
                .await
                .text
                .contains("Looked at who looked")
        );
        let before = jane.get("/access-log?before=1").await;
        assert!(before.text.contains("Nobody has looked"), "{}", before.text);
        assert_eq!(clerk.get("/access-log").await.status, StatusCode::FORBIDDEN);
    });
}

#[test]
fn p27_names_of_roles_that_must_be_safe_are_left_out_and_their_looks_are_not() {
    on_each_database(async |ground| {
        let mut node = bare_node(ground).await;
        node.unnamed_roles = vec![access::Role::Clerk];
        let node = Arc::new(node);
        letters::patient(&node.store).await;
        let pid = letters::receive(&node.store, &Letter::default()).await;
        let mut clerk = Browser::new(&node);
        clerk.sign_in("/staff/login", "ann").await;
        clerk.get(&format!("/staff/item/{pid}")).await;
        let mut jane = Browser::new(&node);
        jane.sign_in("/login", "jane").await;
        let page = jane.get("/access-log").await;
        assert!(!page.text.contains("Ann Secretary"), "{}", page.text);
        assert!(page.text.contains("name withheld for their safety"));
        assert!(page.text.contains("clerk, ") && page.text.contains("Opened: "));
    });
}

#[test]
fn p18_a_patient_switches_sharing_off_and_on_and_sees_who_was_told() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        let pid = letters::receive(&node.store, &Letter::default()).await;
        let document = format!("/staff/item/{pid}/file");
        let mut jane = Browser::new(&node);
        jane.sign_in("/login", "jane").await;
        let page = jane.get("/sharing").await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.text.contains("stop letters RZZ01"), "{}", page.text);
        let fields = [("set", "stop letters A81001"), ("until", "2025-13-01")];
        let wrong = jane.post("/sharing", &fields).await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
        let fields = [("set", "stop letters A81001"), ("until", "")];
        let saved = jane.post("/sharing", &fields).await;
        assert_eq!(saved.location(), "/sharing?saved=1", "{}", saved.text);
        let page = jane.get("/sharing").await;
        assert!(page.text.contains("share letters A81001"), "{}", page.text);
        // Staff are told that something is withheld, and that it can be opened in an emergency.
        let mut doctor = Browser::new(&node);
        doctor.sign_in("/staff/login", "bo").await;
        let record = doctor.get("/staff/patient/jane").await;
        assert!(record.text.contains("emergency-access"), "{}", record.text);
        assert!(!record.text.contains(">Letters<"), "{}", record.text);
        // Nobody else sets it, and she sets nothing else.
        assert_eq!(doctor.get("/sharing").await.status, StatusCode::FORBIDDEN);
        doctor.get(&document).await;
        jane.get("/sharing").await;
        let fields = [("set", "share letters A81001"), ("until", "")];
        jane.post("/sharing", &fields).await;
        let record = doctor.get("/staff/patient/jane").await;
        assert!(record.text.contains(">Letters<"), "{}", record.text);
        assert!(
            jane.get("/access-log")
                .await
                .text
                .contains("what may be shared")
        );
    });
}

#[test]
fn the_national_opt_out_is_shown_as_it_was_answered_and_never_as_none_where_nobody_asked() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        let mut jane = Browser::new(&node);
        jane.sign_in("/login", "jane").await;
        let (own, other) = ("9434765919", "9990000018");
        let page = jane.get("/sharing").await.text;
        assert!(page.contains("Your choice is not known here"), "{page}");
        assert!(
            page.contains("https:&#x2f;&#x2f;www.nhs.uk")
                || page.contains("https://www.nhs.uk/your-nhs-data-matters")
        );
        // Somebody else was asked about.
        opt_outs_answered(&node.store, 1, &[other], &[other]).await;
        let page = jane.get("/sharing").await.text;
        assert!(page.contains("Your choice is not known here"), "{page}");
        assert!(!page.contains("You have not opted out"), "{page}");
        opt_outs_answered(&node.store, 2, &[own, other], &[other]).await;
        let page = jane.get("/sharing").await.text;
        assert!(
            page.contains("You have opted out, by what the national service answered"),
            "{page}"
        );
        opt_outs_answered(&node.store, 3, &[own, other], &[own]).await;
        let page = jane.get("/sharing").await.text;
        assert!(page.contains("You have not opted out, by what"), "{page}");
        let welsh = jane.get("/sharing?lang=cy").await.text;
        assert!(welsh.contains("Nid ydych wedi optio allan"), "{welsh}");
    });
}
