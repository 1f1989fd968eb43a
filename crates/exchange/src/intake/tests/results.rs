//! Results that go to the patient's practice, are corrected, and are declared wrong.

use store::parcels::State;

use super::*;

/// A result, reported at that minute.
fn result(id: &str, minute: &str, value: &str, status: (&str, &str)) -> String {
    let rest = format!(
        "{PATIENT}OBR|1|P7|F8|K^Potassium|||20260105|||||||||||||||202601050{minute}00|||{}\n\
         OBX|1|NM|K^Potassium||{value}|mmol/L|3.5-5.3||||{}\n",
        status.0, status.1
    );
    message("ORU^R01", id, &rest)
}

async fn sending(ground: &Ground) -> Hospital {
    let mut hospital = hospital(ground).await;
    hospital.intake = hospital.intake.sending_results(true);
    hospital
}

impl Hospital {
    /// What was sent, the oldest first: title and state.
    async fn told(&self) -> Vec<(String, State)> {
        let mut sent = self.sent().await;
        sent.sort_by_key(|it| it.pid);
        sent.into_iter().map(|it| (it.title, it.state)).collect()
    }
}

const FIRST: &str = "Result: Potassium";
const CORRECTED: &str = "Corrected result: Potassium";

#[test]
fn a_corrected_result_supersedes_the_first_and_twice_is_once() {
    on_each_database(async |ground| {
        let hospital = sending(ground).await;
        hospital.take(&result("1", "900", "7.1", ("F", "F"))).await;
        assert_eq!(hospital.told().await, [(FIRST.to_owned(), State::Accepted)]);
        for id in ["2", "3"] {
            hospital.take(&result(id, "930", "4.1", ("C", "C"))).await;
        }
        let told = [
            (FIRST.to_owned(), State::Superseded),
            (CORRECTED.to_owned(), State::Accepted),
        ];
        assert_eq!(hospital.told().await, told);
        // The first one comes once more, late: it is not acted on after its correction.
        hospital.take(&result("4", "900", "7.1", ("F", "F"))).await;
        assert_eq!(hospital.told().await, told);
        let value = &hospital.one("Observation").await["valueQuantity"]["value"];
        assert_eq!(value.to_string(), "4.1");
        let stuck = hospital.stuck().await;
        assert!(stuck[0].1.contains("older state"), "{stuck:?}");
        hospital.store.close().await;
    });
}

#[test]
fn a_correction_of_one_value_alone_counts_and_a_result_that_was_declared_wrong_is_withdrawn() {
    on_each_database(async |ground| {
        let hospital = sending(ground).await;
        hospital.take(&result("1", "900", "7.1", ("F", "F"))).await;
        hospital.take(&result("2", "910", "4.1", ("F", "C"))).await;
        assert_eq!(hospital.told().await[1].0, CORRECTED);
        hospital.take(&result("3", "920", "", ("F", "W"))).await;
        let states: Vec<State> = hospital.told().await.iter().map(|it| it.1).collect();
        assert_eq!(states, [State::Withdrawn, State::Withdrawn]);
        // What is not final yet, and what has no practice, is sent to nobody.
        let other = result("4", "930", "5.0", ("P", "P")).replace("F8", "F9");
        hospital.take(&other).await;
        assert_eq!(hospital.told().await.len(), 2);
        hospital.store.close().await;
    });
}

#[test]
fn results_stay_here_where_the_settings_do_not_send_them() {
    on_each_database(async |ground| {
        let hospital = hospital(ground).await;
        hospital.take(&result("1", "900", "7.1", ("F", "F"))).await;
        assert!(hospital.sent().await.is_empty());
        hospital.store.close().await;
    });
}
