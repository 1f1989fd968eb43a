//! Who does not answer, and who answers what cannot be used.

use std::time::{Duration, Instant};

use exchange::ask::{Closed, SourceState};
use fhir::problem::Kind;

use super::{BORN, about, ask, log, point, source, stocked, why, words};
use crate::network::{ASK_MILLIS, HOSPITAL, PHARMACY, PRACTICE, UNA, on_each_database};

const HOUR: i64 = 3_600_000;

#[test]
fn whoever_does_not_answer_is_named_within_the_time_and_the_others_are_shown() {
    on_each_database(async |network, _| {
        stocked(network).await;
        point(network).await;
        network.link.mute.lock().push(network.ods(PHARMACY));
        let began = Instant::now();
        let shared = ask(network).await;
        assert!(began.elapsed() < Duration::from_millis(ASK_MILLIS + 700));
        let late = why(network, &shared, PHARMACY);
        assert_eq!(late, "No answer came within 1.5 s.");
        assert_eq!(words(&shared), ["Penicillin", "Potassium"]);
        network.link.disconnect(&network.ods(PHARMACY));
        network.link.mute.lock().clear();
        let shared = ask(network).await;
        let gone = why(network, &shared, PHARMACY);
        assert_eq!(gone, "The other node cannot be reached.");
    });
}

#[test]
fn what_is_no_answer_is_not_believed_and_its_sender_named() {
    on_each_database(async |network, _| {
        stocked(network).await;
        let answer = |id: &str, entries: &str| {
            format!(
                r#"{{"protocol":1,"id":"{id}","at":"2026-01-05T09:00:00.000Z","known":true,
                "pointers":[],"keeper":null,"withheld":[],"cut":[],"entries":[{entries}]}}"#
            )
        };
        let patient = r#"{"resourceType":"Patient","id":"una"}"#;
        let many = vec![r#"{"resourceType":"Observation","id":"x"}"#; 721].join(",");
        for (said, expected) in [
            ("Dear hospital".to_string(), "A value was expected"),
            (answer("x", ""), "another question"),
            (answer("x", patient), "no resource of the types"),
            (answer("x", "{}"), "no resource of the types"),
            (answer("x", "7"), "no resource of the types"),
            (answer("x", &many), "more than was asked"),
            (
                format!("\"{}\"", "x".repeat(3 << 20)),
                "more than may be sent",
            ),
            (answer("x", "").replace("known", "knows"), "not of the form"),
        ] {
            let practice = network.ods(PRACTICE);
            network.link.instead.lock().insert(practice, said.into());
            let shared = ask(network).await;
            let why = why(network, &shared, PRACTICE);
            assert!(why.contains(expected), "{expected}: {why}");
            assert!(shared.items.is_empty());
        }
    });
}

#[test]
fn a23_a_question_serves_once_and_only_its_own_asker() {
    on_each_database(async |network, _| {
        stocked(network).await;
        ask(network).await;
        let (from, to, body) = network.link.asked.lock().clone().unwrap();
        assert_eq!(
            (&from, &to),
            (&network.ods(HOSPITAL), &network.ods(PRACTICE))
        );
        let practice = network.nodes[PRACTICE].clone();
        let before = log(network, PRACTICE).await.len();
        let again = practice.answer_question(&from, &body).await.unwrap_err();
        assert_eq!(again.kind, Kind::Conflict);
        let other = network.ods(PHARMACY);
        let other = practice.answer_question(&other, &body).await.unwrap_err();
        assert_eq!(other.kind, Kind::Security);
        let pharmacy = network.nodes[PHARMACY].clone();
        let elsewhere = pharmacy.answer_question(&from, &body).await.unwrap_err();
        assert_eq!(elsewhere.kind, Kind::Security);
        network.clock.advance(300_000);
        let late = practice.answer_question(&from, &body).await.unwrap_err();
        assert_eq!(late.kind, Kind::Security);
        assert_eq!(log(network, PRACTICE).await.len(), before);
    });
}

#[test]
fn p01_somebody_else_with_that_number_is_answered_about_as_nobody_is() {
    on_each_database(async |network, _| {
        stocked(network).await;
        let mut answers = Vec::new();
        for (born, family) in [("1980-02-02", "Ash"), (BORN, "Oak")] {
            network
                .register(HOSPITAL, "una-there", UNA, family, born)
                .await;
            let shared = ask(network).await;
            let source = source(network, &shared, PRACTICE);
            assert_eq!(source.state, SourceState::Unknown);
            assert!(shared.items.is_empty());
            answers.push(source.clone());
        }
        // Nobody at the practice has this number.
        network
            .register(HOSPITAL, "una-there", "9990000018", "Ash", BORN)
            .await;
        let shared = ask(network).await;
        answers.push(source(network, &shared, PRACTICE).clone());
        assert!(answers.iter().all(|it| it == &answers[0]), "{answers:?}");
    });
}

#[test]
fn the_last_good_answer_stands_in_for_a_source_that_is_down_and_ends_in_time() {
    on_each_database(async |network, _| {
        stocked(network).await;
        let asked_at = ask(network).await.asked_at;
        network.clock.advance(HOUR / 2);
        network.link.mute.lock().push(network.ods(PRACTICE));
        let shared = ask(network).await;
        let stale = source(network, &shared, PRACTICE);
        assert!(stale.is_stale());
        let SourceState::Silent { copy_from, .. } = stale.state else {
            panic!("{stale:?}")
        };
        assert_eq!(copy_from, Some(asked_at));
        assert_eq!(words(&shared), ["Penicillin", "Potassium"]);
        network.clock.advance(24 * HOUR);
        // Its door for preferences answers.
        let standpoints = network.store(HOSPITAL).standpoints().await.unwrap();
        let hospital = network.nodes[HOSPITAL].clone();
        hospital.confirm_sharing(&standpoints[0]).await.unwrap();
        let shared = ask(network).await;
        let stale = source(network, &shared, PRACTICE);
        assert!(!stale.is_stale(), "{stale:?}");
        assert!(shared.items.is_empty());
    });
}

#[test]
fn a_second_keeper_is_asked_who_holds_something_when_the_practice_is_silent() {
    on_each_database(async |network, grounds| {
        network.second_keeper = Some(network.ods(PHARMACY));
        network.crash(PRACTICE, grounds).await;
        network
            .register(HOSPITAL, "una-there", UNA, "Ash", BORN)
            .await;
        let standpoints = network.store(HOSPITAL).standpoints().await.unwrap();
        let hospital = network.nodes[HOSPITAL].clone();
        hospital.confirm_sharing(&standpoints[0]).await.unwrap();
        let shared = ask(network).await;
        assert_eq!(shared.sources.len(), 1, "{:?}", shared.sources);
        network.link.disconnect(&network.ods(PRACTICE));
        let shared = ask(network).await;
        assert_eq!(
            source(network, &shared, PHARMACY).state,
            SourceState::Unknown
        );
        // What is held at the hospital is told to both.
        let measured = about("Observation", "una-there", "x", None);
        network.put(HOSPITAL, "measured", &measured).await;
        network.clock.advance(3_000);
        while hospital.tell_pointers().await.unwrap() {}
        hospital.serve(&network.ods(PHARMACY)).await;
        let keeper = network.store(PHARMACY);
        let held = keeper.pointers_held(UNA, BORN, "Ash").await.unwrap();
        assert_eq!(held, [network.ods(HOSPITAL)]);
        network.clock.advance(2 * HOUR);
        let shared = ask(network).await;
        assert_eq!(shared.closed, Some(Closed::Unconfirmed));
    });
}
