//! Document numbers that two patients' letters share.

use super::*;

/// Bob, as another department of the same hospital writes about him.
fn letter_about_bob(id: &str) -> String {
    letter(id)
        .replace("H1^", "H2^")
        .replace("9990000018", "9434765919")
        .replace("TESTER^AMINA", "OTHER^BOB")
        .replace("19510304", "19600102")
}

#[test]
fn the_same_number_of_two_departments_supersedes_nothing() {
    on_each_database(async |ground| {
        let hospital = hospital(ground).await;
        hospital
            .take(&letter("1").replace("D1^RXX01", "1001^LAB"))
            .await;
        hospital
            .take(&letter_about_bob("2").replace("D1^RXX01", "1001^RAD"))
            .await;
        let sent = hospital.sent().await;
        assert_eq!(sent.len(), 2);
        for letter in sent {
            assert_eq!(letter.state, store::parcels::State::Accepted);
        }
        assert_eq!(hospital.all("DocumentReference").await.len(), 2);
        // The same patient's, of one department: this one does take its place.
        hospital
            .take(&letter("3").replace("D1^RXX01", "1001^LAB"))
            .await;
        let superseded = hospital
            .sent()
            .await
            .into_iter()
            .filter(|it| it.state == store::parcels::State::Superseded);
        assert_eq!(superseded.count(), 1);
        hospital.store.close().await;
    });
}

#[test]
fn a_document_under_another_patients_number_overwrites_nothing_and_stands_on_the_work_list() {
    on_each_database(async |ground| {
        let hospital = hospital(ground).await;
        hospital.take(&letter("1")).await;
        let before = hospital.one("DocumentReference").await;
        hospital.take(&letter_about_bob("2")).await;
        assert_eq!(hospital.one("DocumentReference").await, before);
        let binary = hospital.one("Binary").await;
        assert_eq!(binary["meta"]["versionId"], "1");
        let stuck = hospital.stuck().await;
        assert_eq!(stuck.len(), 1);
        assert_eq!(stuck[0].0, "failed");
        assert!(stuck[0].1.contains("Another patient"), "{}", stuck[0].1);
        let sent = hospital.sent().await;
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].state, store::parcels::State::Accepted);
        hospital.store.close().await;
    });
}

#[test]
fn a_document_that_its_system_cancels_is_withdrawn_where_it_was_sent() {
    on_each_database(async |ground| {
        let hospital = hospital(ground).await;
        hospital.take(&letter("1")).await;
        hospital
            .take(&letter("2").replace("D1^RXX01", "D2^RXX01"))
            .await;
        let txa = LETTER.lines().next().unwrap();
        let cancelled = message("MDM^T11", "3", &format!("{PATIENT}{VISIT}{txa}\n"));
        // One about somebody else, under the same number, is nobody's here.
        let other = cancelled
            .replace("|3|P|", "|4|P|")
            .replace("H1^", "H2^")
            .replace("9990000018", "9434765919");
        hospital.take(&other).await;
        let states = async || {
            let mut states: Vec<_> = hospital.sent().await.iter().map(|it| it.state).collect();
            states.sort_by_key(|state| format!("{state:?}"));
            states
        };
        use store::parcels::State::{Accepted, Withdrawn};
        assert_eq!(states().await, [Accepted, Accepted]);
        hospital.take(&cancelled).await;
        assert_eq!(states().await, [Accepted, Withdrawn]);
        hospital.store.close().await;
    });
}
