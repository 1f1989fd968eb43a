//! Faxes: matched by a person, set aside, taken out of a wrong record; numbers that two people change.

use std::sync::Arc;

use access::{Scope, SystemPurpose};
use exchange::fax::{Said, new_fax};
use http::StatusCode;
use store::fax::{FaxDone, FaxWrite};
use store::testing::{Ground, on_each_database};
use store::{AuditFilter, Done, Effect, Job, Store};

use crate::Node;
use crate::testing::{Browser, letters, node, record};

/// A TIFF of one page; `coded` stands for its rows.
fn tiff(coded: &[u8]) -> Vec<u8> {
    let mut file = b"II*\0".to_vec();
    let directory = u32::try_from(8 + coded.len()).unwrap();
    file.extend(directory.to_le_bytes());
    file.extend(coded);
    let tags: [(u16, u32); 6] = [
        (256, 1728),
        (257, 1100),
        (259, 4),
        (273, 8),
        (278, 1100),
        (279, u32::try_from(coded.len()).unwrap()),
    ];
    file.extend(u16::try_from(tags.len()).unwrap().to_le_bytes());
    for (tag, value) in tags {
        file.extend(tag.to_le_bytes());
        file.extend(4u16.to_le_bytes());
        file.extend(1u32.to_le_bytes());
        file.extend(value.to_le_bytes());
    }
    file.extend(0u32.to_le_bytes());
    file
}

/// A fax comes in; its number.
async fn take(store: &Store, queue: &str, file: Vec<u8>) -> i64 {
    let said = Said {
        queue: queue.into(),
        caller: "0113 496 0000".into(),
        station: "NORTHFIELD".into(),
    };
    let fax = new_fax(&said, file, 1 << 20, 10).unwrap();
    let scope = Scope::system(SystemPurpose::KeepFaxes);
    let job = Job::effect(Effect::Fax(FaxWrite::Take(Box::new(fax))));
    match store.commit(&scope, job).await.unwrap().done.remove(0) {
        Done::Fax(FaxDone::Taken { number, .. }) => number,
        other => panic!("{other:?}"),
    }
}

/// An address as it stands in a page.
fn linked(address: &str) -> String {
    address.replace('/', "&#x2f;")
}

async fn person(node: &Arc<Node>, login: &str) -> Browser {
    let mut browser = Browser::new(node);
    let door = if login == "jane" {
        "/login"
    } else {
        "/staff/login"
    };
    browser.sign_in(door, login).await;
    browser
}

async fn set_up(ground: &Ground) -> (Arc<Node>, Browser) {
    let node = node(ground).await;
    letters::patient(&node.store).await;
    let ann = person(&node, "ann").await;
    (node, ann)
}

const JANE: [(&str, &str); 4] = [
    ("nhs_number", "943 476 5919"),
    ("born", "1961-02-03"),
    ("family", "example"),
    ("title", "Clinic letter"),
];

#[test]
fn a_fax_is_matched_by_number_birth_date_and_name_together_and_is_then_a_letter_like_others() {
    on_each_database(async |ground| {
        let (node, mut ann) = set_up(ground).await;
        let number = take(&node.store, "0001", tiff(b"coded rows")).await;
        let address = format!("/staff/fax-in/{number}");
        let list = ann.get("/staff/fax-in").await;
        assert!(list.text.contains("0113 496 0000") && list.text.contains(&linked(&address)));
        let page = ann.get(&address).await;
        assert!(page.text.contains("NORTHFIELD"), "{}", page.text);
        let file = ann.get(&format!("{address}/file")).await;
        assert!(file.text.starts_with("%PDF-1.4") && file.text.contains("/CCITTFaxDecode"));
        assert!(
            file.headers["content-security-policy"]
                .to_str()
                .unwrap()
                .contains("sandbox")
        );
        assert!(page.text.contains(&format!("{}/page/1", linked(&address))));
        let picture = ann.get(&format!("{address}/page/1")).await;
        assert_eq!(picture.headers["content-type"], "image/png");
        assert!(picture.text.contains("PNG"));
        assert_eq!(
            ann.get(&format!("{address}/page/2")).await.status,
            StatusCode::NOT_FOUND
        );
        assert_eq!(
            ann.get(&format!("{address}/page/0")).await.status,
            StatusCode::NOT_FOUND
        );
        // Two of the three are not enough, whichever is wrong.
        for (field, wrong) in [
            ("nhs_number", "9434765870"),
            ("born", "1961-02-04"),
            ("family", "Sample"),
            ("family", ""),
        ] {
            let fields = JANE.map(|(name, text)| (name, if name == field { wrong } else { text }));
            ann.get(&address).await;
            let refused = ann.post(&format!("{address}/match"), &fields).await;
            assert!(
                refused.text.contains("Nobody here has this NHS number"),
                "{field}: {}",
                refused.text
            );
        }
        ann.get(&address).await;
        let matched = ann.post(&format!("{address}/match"), &JANE).await;
        assert_eq!(matched.status, StatusCode::SEE_OTHER, "{}", matched.text);
        let item = matched.location().split('?').next().unwrap().to_owned();
        let page = ann.get(matched.location()).await;
        for shown in [
            "Matched.",
            "Clinic letter",
            "Fax from 0113 496 0000",
            "EXAMPLE, Jane",
            "Take it out of this record",
        ] {
            assert!(page.text.contains(shown), "{shown}: {}", page.text);
        }
        assert!(!page.text.contains("Return to the sender"));
        assert!(ann.get("/staff/inbox").await.text.contains("Clinic letter"));
        let content = ann.get(&format!("{item}/content/0")).await;
        assert!(content.text.starts_with("%PDF-1.4"));
        // No rule of days shows it to the patient, only a person who files it.
        node.store.clock().advance(40 * 86_400_000);
        let mut jane = person(&node, "jane").await;
        assert!(!jane.get("/record").await.text.contains("Clinic letter"));
        let mut ann = person(&node, "ann").await;
        ann.get(&item).await;
        let filed = ann.post(&format!("{item}/file"), &[]).await;
        assert_eq!(filed.status, StatusCode::SEE_OTHER, "{}", filed.text);
        let record = jane.get("/record").await;
        assert!(record.text.contains("Clinic letter"), "{}", record.text);
        // It is matched once, and its file is the letter's from then on.
        assert_eq!(
            ann.get(&format!("{address}/file")).await.status,
            StatusCode::NOT_FOUND
        );
        ann.get("/staff/fax-in").await;
        let again = ann.post(&format!("{address}/match"), &JANE).await;
        assert_eq!(again.status, StatusCode::NOT_FOUND);
    });
}

#[test]
fn a_fax_in_a_wrong_record_is_taken_out_of_it_and_matched_anew() {
    on_each_database(async |ground| {
        let (node, mut ann) = set_up(ground).await;
        record(&node.store, ["Una Ash", "una", "9434765870", "1980-02-01"]).await;
        let number = take(&node.store, "0001", tiff(b"coded rows")).await;
        let address = format!("/staff/fax-in/{number}");
        ann.get(&address).await;
        let matched = ann.post(&format!("{address}/match"), &JANE).await;
        let item = matched.location().split('?').next().unwrap().to_owned();
        ann.get(&item).await;
        ann.post(&format!("{item}/file"), &[]).await;
        // Filed is final: what is filed in error is marked and held by a clinician; before that it goes back.
        let second = take(&node.store, "0002", tiff(b"other rows")).await;
        let address = format!("/staff/fax-in/{second}");
        ann.get(&address).await;
        let matched = ann.post(&format!("{address}/match"), &JANE).await;
        let item = matched.location().split('?').next().unwrap().to_owned();
        ann.get(&item).await;
        let fields = [("reason", "wrong-record"), ("note", "It says Una Ash")];
        let out = ann.post(&format!("{item}/return"), &fields).await;
        assert!(
            out.location().starts_with("/staff/inbox?done=put-back"),
            "{}",
            out.text
        );
        let mut jane = person(&node, "jane").await;
        let own = jane.get("/record").await.text;
        assert_eq!(own.matches("Clinic letter").count(), 1, "{own}");
        let page = ann.get(&address).await;
        assert!(page.text.contains("It says Una Ash"), "{}", page.text);
        let una = [
            ("nhs_number", "9434765870"),
            ("born", "1980-02-01"),
            ("family", "Ash"),
            ("title", "For Una"),
        ];
        let matched = ann.post(&format!("{address}/match"), &una).await;
        let page = ann.get(matched.location()).await;
        assert!(page.text.contains("ASH, Una"), "{}", page.text);
        // Nobody is told over the network of what came by fax.
        assert!(node.store.peers_to_serve().await.unwrap().is_empty());
    });
}

#[test]
fn x09_a_file_that_cannot_be_read_is_shown_as_such_and_set_aside_with_a_reason() {
    on_each_database(async |ground| {
        let (node, mut ann) = set_up(ground).await;
        let number = take(&node.store, "0001", b"II*\0\x08\0\0\0rubbish".to_vec()).await;
        let address = format!("/staff/fax-in/{number}");
        let page = ann.get(&address).await;
        assert!(
            page.text.contains("not a sound TIFF") && !page.text.contains("Match to this patient")
        );
        let file = ann.get(&format!("{address}/file")).await;
        assert_eq!(file.headers["content-type"], "application/octet-stream");
        ann.get(&address).await;
        let fault = ann.post(&format!("{address}/aside"), &[]).await;
        assert!(fault.text.contains("Enter why it is set aside"));
        let aside = ann
            .post(&format!("{address}/aside"), &[("reason", "not for us")])
            .await;
        assert_eq!(aside.location(), "/staff/fax-in?done=aside");
        let list = ann.get("/staff/fax-in?show=aside").await;
        assert!(
            list.text.contains("Ann Secretary: not for us"),
            "{}",
            list.text
        );
        ann.get(&address).await;
        ann.post(&format!("{address}/up"), &[]).await;
        assert!(
            ann.get("/staff/fax-in")
                .await
                .text
                .contains(&linked(&address))
        );
    });
}

#[test]
fn a20_a_fax_number_takes_two_people_and_engineers_see_no_fax() {
    on_each_database(async |ground| {
        let (node, mut ann) = set_up(ground).await;
        let page = "/staff/fax-numbers";
        ann.get(page).await;
        let add = [
            ("do", "add"),
            ("ods", "rzz01"),
            ("name", "Northfield"),
            ("number", "0113 496 0001"),
        ];
        let wrong =
            add.map(|(name, text)| (name, if name == "number" { "496 0001" } else { text }));
        assert!(
            ann.post(page, &wrong)
                .await
                .text
                .contains("not a whole telephone number")
        );
        let asked = ann.post(page, &add).await;
        assert_eq!(
            asked.location(),
            "/staff/fax-numbers?done=add",
            "{}",
            asked.text
        );
        let list = ann.get(page).await;
        assert!(list.text.contains("To be confirmed") && !list.text.contains("value=\"confirm\""));
        let confirm = [("do", "confirm"), ("number", "+441134960001")];
        let alone = ann.post(page, &confirm).await;
        assert!(alone.text.contains("another person must"), "{}", alone.text);
        let mut bo = person(&node, "bo").await;
        bo.get(page).await;
        bo.post(page, &confirm).await;
        let list = ann.get(page).await;
        assert!(
            list.text.contains("In force") && list.text.contains("confirmed by Dr Bo Test"),
            "{}",
            list.text
        );
        let filter = AuditFilter {
            count: 1000,
            ..AuditFilter::default()
        };
        let scope = Scope::system(SystemPurpose::Measure);
        let log = node
            .store
            .audit_page(&scope, &filter)
            .await
            .unwrap()
            .entries;
        for told in [
            "fax-number=+441134960001 add",
            "fax-number=+441134960001 confirm",
        ] {
            assert!(
                log.iter()
                    .any(|line| line.target.query.as_deref() == Some(told)),
                "{told}"
            );
        }
        let number = take(&node.store, "0001", tiff(b"coded rows")).await;
        let mut ed = person(&node, "ed").await;
        assert_eq!(ed.get("/staff/fax-in").await.status, StatusCode::FORBIDDEN);
        let file = format!("/staff/fax-in/{number}/file");
        assert_eq!(ed.get(&file).await.status, StatusCode::FORBIDDEN);
        assert_eq!(ed.get(page).await.status, StatusCode::OK);
        assert_eq!(ed.get("/staff/fax-count").await.status, StatusCode::OK);
        let mut jane = person(&node, "jane").await;
        for closed in ["/staff/fax-in", page, "/staff/fax-count"] {
            assert_ne!(jane.get(closed).await.status, StatusCode::OK, "{closed}");
        }
    });
}

#[test]
fn faxes_are_counted_by_month_and_number_and_say_whose_machine_can_be_switched_off() {
    on_each_database(async |ground| {
        let node = crate::testing::bare_node(ground).await;
        let mut node = node;
        node.organisation_name = Arc::new(|ods| match ods {
            "RZZ01" => "Northfield Hospital".to_owned(),
            other => other.to_owned(),
        });
        let node = Arc::new(node);
        let mut ann = person(&node, "ann").await;
        ann.get("/staff/fax-numbers").await;
        let add = [
            ("do", "add"),
            ("ods", "RZZ01"),
            ("name", "Northfield"),
            ("number", "0113 496 0000"),
        ];
        ann.post("/staff/fax-numbers", &add).await;
        take(&node.store, "0001", tiff(b"coded rows")).await;
        take(&node.store, "0002", tiff(b"coded rows")).await;
        let page = ann.get("/staff/fax-count?month=2026-01").await;
        assert!(
            page.text.contains("Northfield (RZZ01)") && page.text.contains("it has a node by now"),
            "{}",
            page.text
        );
        assert!(page.text.contains("month=2025-12"), "{}", page.text);
        let empty = ann.get("/staff/fax-count?month=2025-12").await;
        assert!(empty.text.contains("No fax came in"));
        let wrong = ann.get("/staff/fax-count?month=soon").await;
        assert!(wrong.text.contains("such as 2026-11"));
    });
}
