use http::StatusCode;
use store::testing::on_each_database;

use crate::testing::letters;
use crate::testing::{Browser, node, patient, record};

const TOM: [&str; 5] = ["tom", "Tom Helper", "tom", "9990000018", "1970-02-03"];
const KIM: [&str; 4] = ["Kim Child", "kim", "9990000026", "2016-03-04"];

/// The form as it should be, and what is different.
fn form<'f>(other: &[(&'f str, &'f str)]) -> Vec<(&'f str, &'f str)> {
    let mut fields = vec![
        ("do", "grant"),
        ("nhs_number", "999 000 0018"),
        ("born", "1970-02-03"),
        ("family", "helper"),
        ("see-letters", "yes"),
        ("until", ""),
        ("reason", "Parental responsibility: birth certificate seen."),
    ];
    for (name, text) in other {
        fields.retain(|(known, _)| known != name);
        fields.push((name, text));
    }
    fields
}

#[test]
fn p24_the_practice_records_a_parents_leave_with_a_reason_and_ends_it() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        patient(&node.store, TOM).await;
        record(&node.store, KIM).await;
        let mut clerk = Browser::new(&node);
        clerk.sign_in("/staff/login", "ann").await;
        let address = "/staff/people/kim";
        let page = clerk.get("/staff/patient/kim").await.text;
        assert!(page.contains("kim\">Who acts for this patient"), "{page}");
        assert_eq!(clerk.get(address).await.status, StatusCode::OK);
        for (other, wrong) in [
            (&[("reason", "because")][..], "Say why"),
            (&[("see-letters", "")], "Choose what they may see"),
            (&[("born", "1971-02-03")], "Nobody is registered here"),
            (&[("until", "2040-01-01")], "Give the last day"),
            (
                &[
                    ("nhs_number", "9990000026"),
                    ("born", "2016-03-04"),
                    ("family", "Child"),
                ],
                "acts for themselves",
            ),
        ] {
            let answer = clerk.post(address, &form(other)).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
            assert!(answer.text.contains(wrong), "{wrong}: {}", answer.text);
        }
        let done = clerk.post(address, &form(&[])).await;
        assert_eq!(
            done.location(),
            "/staff/people/kim?done=grant",
            "{}",
            done.text
        );
        let page = clerk.get(address).await.text;
        assert!(
            page.contains("HELPER, Tom") && page.contains("3 Mar 2032"),
            "{page}"
        );
        let mut tom = Browser::new(&node);
        tom.sign_in("/login", "tom").await;
        let people = tom.get("/people").await.text;
        assert!(people.contains("Act for CHILD, Kim"), "{people}");
        let (_, rest) = people.split_once("name=\"number\" value=\"").unwrap();
        let number = rest.split_once('"').unwrap().0;
        tom.post("/people/act", &[("number", number)]).await;
        assert!(tom.get("/").await.text.contains("The record of CHILD, Kim"));
        clerk.get(address).await;
        let fields = [
            ("do", "end"),
            ("number", number),
            ("reason", "A court order ends it."),
        ];
        let done = clerk.post(address, &fields).await;
        assert_eq!(done.location(), "/staff/people/kim?done=end");
        assert_eq!(tom.get("/").await.status, StatusCode::FORBIDDEN);
        let mut officer = Browser::new(&node);
        officer.sign_in("/staff/login", "olu").await;
        let list = officer.get("/staff/privacy").await.text;
        for told in [
            "Somebody may act for the patient",
            "birth certificate",
            "A court order",
        ] {
            assert!(list.contains(told), "{told}: {list}");
        }
    });
}

#[test]
fn p24_at_11_nobody_acts_for_a_child_until_the_practice_has_confirmed_it() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        patient(&node.store, TOM).await;
        // 11 on 20 January 2026, some days after the start.
        record(
            &node.store,
            ["Kim Child", "kim", "9990000026", "2015-01-20"],
        )
        .await;
        let mut clerk = Browser::new(&node);
        clerk.sign_in("/staff/login", "ann").await;
        clerk.get("/staff/people/kim").await;
        clerk.post("/staff/people/kim", &form(&[])).await;
        ground.clock().advance(20 * 86_400_000);
        let mut tom = Browser::new(&node);
        tom.sign_in("/login", "tom").await;
        let people = tom.get("/people").await.text;
        assert!(
            people.contains("Waits until the practice confirms it"),
            "{people}"
        );
        assert!(!people.contains("Act for CHILD"), "{people}");
        clerk.sign_in("/staff/login", "ann").await;
        let page = clerk.get("/staff/people/kim").await.text;
        assert!(page.contains("To be confirmed"), "{page}");
        let (_, rest) = page.split_once("name=\"number\" value=\"").unwrap();
        let number = rest.split_once('"').unwrap().0.to_owned();
        let fields = [
            ("do", "confirm"),
            ("number", number.as_str()),
            ("reason", "Seen together; Kim agrees."),
        ];
        let done = clerk.post("/staff/people/kim", &fields).await;
        assert_eq!(
            done.location(),
            "/staff/people/kim?done=confirm",
            "{}",
            done.text
        );
        assert!(tom.get("/people").await.text.contains("Act for CHILD, Kim"));
    });
}

#[test]
fn p24_only_staff_who_work_with_patients_say_who_acts_for_them() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        for login in ["ed", "olu"] {
            let mut browser = Browser::new(&node);
            browser.sign_in("/staff/login", login).await;
            let page = browser.get("/staff/people/jane").await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{login}");
        }
        let mut jane = Browser::new(&node);
        jane.sign_in("/login", "jane").await;
        let page = jane.get("/staff/people/jane").await;
        assert_ne!(page.status, StatusCode::OK);
        let mut clerk = Browser::new(&node);
        clerk.sign_in("/staff/login", "ann").await;
        let page = clerk.get("/staff/people/nobody").await;
        assert_eq!(page.status, StatusCode::NOT_FOUND);
        assert_eq!(clerk.get("/people").await.status, StatusCode::FORBIDDEN);
    });
}

#[test]
fn p25_the_practice_pauses_online_access_in_one_action() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        let mut jane = Browser::new(&node);
        jane.sign_in("/login", "jane").await;
        let mut clerk = Browser::new(&node);
        clerk.sign_in("/staff/login", "ann").await;
        clerk.get("/staff/people/jane").await;
        let fields = [
            ("do", "pause"),
            ("reason", "Safeguarding team asked for it."),
        ];
        let done = clerk.post("/staff/people/jane", &fields).await;
        assert_eq!(
            done.location(),
            "/staff/people/jane?done=pause",
            "{}",
            done.text
        );
        let page = jane.get("/record").await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
        assert!(
            page.text
                .contains("Your record cannot be shown online at present.")
        );
        assert!(!page.text.contains("Safeguarding"));
        assert!(
            clerk
                .get("/staff/people/jane")
                .await
                .text
                .contains("Ann Secretary")
        );
    });
}
