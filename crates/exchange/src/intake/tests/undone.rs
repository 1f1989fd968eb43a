//! Admissions and discharges that did not happen.

use store::parcels::State;

use super::*;

impl Hospital {
    async fn states(&self) -> Vec<(String, State)> {
        let sent = self.sent().await;
        let mut states: Vec<_> = sent
            .into_iter()
            .map(|letter| (letter.title, letter.state))
            .collect();
        states.sort_by_key(|(title, state)| (title.clone(), state.code()));
        states
    }
}

/// A letter of another kind about the same visit.
fn advice(id: &str) -> String {
    letter(id)
        .replace("DS^Discharge summary", "CN^Dietary advice")
        .replace("|DS||", "|CN||")
        .replace("D1^", "D2^")
}

fn event(kind: &str, id: &str) -> String {
    message(
        kind,
        id,
        &format!("{PATIENT}{VISIT}").replace("|20260104100000", ""),
    )
}

#[test]
fn a_discharge_that_is_cancelled_withdraws_the_letters_that_tell_of_it_and_no_others() {
    on_each_database(async |ground| {
        let hospital = hospital(ground).await;
        hospital.take(&admission("1")).await;
        let discharge = admission("2")
            .replace("A01", "A03")
            .replace("|20260104100000", "|20260104100000|20260105080000");
        hospital.take(&discharge).await;
        hospital.take(&letter("3")).await;
        hospital.take(&advice("4")).await;
        let cancel = hospital.take(&event("ADT^A13", "5")).await;
        let visit = hospital.one("Encounter").await;
        assert_eq!(visit["status"], "in-progress");
        assert_eq!(visit["period"].get("end"), None, "{visit}");
        let (advice, letter) = ("Dietary advice".to_owned(), "Discharge summary".to_owned());
        let (kept, withdrawn) = (State::Accepted, State::Withdrawn);
        assert_eq!(
            hospital.states().await,
            [(advice.clone(), kept), (letter.clone(), withdrawn)]
        );
        let stuck = hospital.stuck().await;
        assert!(stuck[0].1.contains("(ADT^A13)"), "{stuck:?}");
        // A person who has the message mapped again does not withdraw what is written meanwhile.
        hospital
            .take(&super::letter("6").replace("D1^", "D3^"))
            .await;
        hospital.replay(cancel).await.unwrap();
        assert_eq!(
            hospital.states().await,
            [(advice, kept), (letter.clone(), kept), (letter, withdrawn)]
        );
        hospital.store.close().await;
    });
}

#[test]
fn an_admission_that_is_cancelled_withdraws_all_letters_about_it() {
    on_each_database(async |ground| {
        let hospital = hospital(ground).await;
        hospital.take(&admission("1")).await;
        hospital.take(&letter("2")).await;
        hospital.take(&advice("3")).await;
        // About another visit.
        let other = letter("4").replace("V1^", "V2^").replace("D1^", "D9^");
        hospital.take(&other).await;
        hospital.take(&event("ADT^A11", "5")).await;
        let states = hospital.states().await;
        let withdrawn = states.iter().filter(|it| it.1 == State::Withdrawn);
        assert_eq!((states.len(), withdrawn.count()), (3, 2), "{states:?}");
        let stuck = hospital.stuck().await;
        assert!(stuck[0].1.contains("(ADT^A11)"), "{stuck:?}");
        hospital.store.close().await;
    });
}

#[test]
fn a_cancel_that_is_older_than_the_discharge_and_comes_late_withdraws_nothing_and_is_told() {
    on_each_database(async |ground| {
        let hospital = hospital(ground).await;
        hospital.take(&admission("1")).await;
        let discharge = admission("2")
            .replace("A01", "A03")
            .replace("|20260104100000", "|20260104100000|20260105080000");
        hospital.take(&discharge).await;
        hospital.take(&letter("3")).await;
        let late = event("ADT^A13", "4").replace("20260105083000", "20260104120000");
        hospital.take(&late).await;
        let visit = hospital.one("Encounter").await;
        assert_eq!(visit["status"], "finished");
        assert!(visit["period"]["end"].is_string(), "{visit}");
        let letter = ("Discharge summary".to_owned(), State::Accepted);
        assert_eq!(hospital.states().await, [letter]);
        let stuck = hospital.stuck().await;
        assert_eq!(stuck.len(), 1, "{stuck:?}");
        let told = &stuck[0].1;
        assert!(
            told.contains("Encounter.status") && told.contains("Encounter.period.end"),
            "{told}"
        );
        hospital.store.close().await;
    });
}
