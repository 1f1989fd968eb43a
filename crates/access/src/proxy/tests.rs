use std::sync::Arc;

use super::*;
use crate::caller::{Caller, Who};
use crate::nhs_number::NhsNumber;
use crate::purpose::Purpose;
use crate::scope::{Reach, Scope};
use crate::standing::Standing;
use crate::{Outcome, Target, decide_for};

const DAY: Millis = 86_400_000;

fn at(day: &str) -> Millis {
    date::span(day).unwrap().low
}

fn leave(born: &str, granted: &str, confirmed: &str, ends: &str) -> Proxy {
    Proxy {
        number: 5,
        patient: "child".into(),
        categories: vec!["letters".into(), "results".into()],
        granted_at: at(granted),
        confirmed_at: at(confirmed),
        ends_at: at(ends),
        born: Some(at(born)),
        ..Proxy::default()
    }
}

fn caller(acting: bool) -> Caller {
    let who = Who::Patient {
        account: 8,
        name: "Pat Example".into(),
        patient: "p1".into(),
        nhs_number: NhsNumber::parse("9434765919").unwrap(),
    };
    let mut caller = Caller::new(who, "r".into());
    caller.acting = acting.then(|| {
        Arc::new(Acting {
            proxy: 5,
            patient: "child".into(),
            name: "A Child".into(),
        })
    });
    caller
}

fn decide(
    acting: bool,
    online: &Online,
    (interaction, ty): (Interaction, &str),
    now: Millis,
) -> Result<Scope, Problem> {
    let standing = Standing {
        online: online.clone(),
        ..Standing::default()
    };
    let purpose = Purpose::PatientRequest;
    decide_for(&caller(acting), interaction, ty, purpose, (&standing, now))
}

fn of(proxy: Proxy) -> Online {
    Online {
        proxies: vec![proxy],
        ..Online::default()
    }
}

#[test]
fn p24_a_childs_proxy_stops_for_review_at_11_and_ends_at_16() {
    let childs = leave("2015-06-01", "2024-01-01", "2024-01-01", "2099-01-01");
    let ages = Ages::default();
    let state = |proxy: &Proxy, day: &str, more: Millis| proxy.standstill(ages, at(day) + more);
    assert_eq!(state(&childs, "2026-06-01", -1), Standstill::No);
    assert_eq!(state(&childs, "2026-06-01", 0), Standstill::Review);
    let confirmed = Proxy {
        confirmed_at: at("2026-06-03"),
        ..childs.clone()
    };
    assert_eq!(state(&confirmed, "2026-06-03", 0), Standstill::No);
    assert_eq!(state(&confirmed, "2031-06-01", -1), Standstill::No);
    assert_eq!(state(&confirmed, "2031-06-01", 0), Standstill::Over);
    assert_eq!(confirmed.ends_at(ages), at("2031-06-01"));
    // An adult's is not looked at for age, and ends at its time.
    let adults = leave("1960-06-01", "2024-01-01", "2024-01-01", "2025-01-01");
    assert_eq!(state(&adults, "2025-01-01", -1), Standstill::No);
    assert_eq!(state(&adults, "2025-01-01", 0), Standstill::Over);
    // What was given for a child ends with the child's age, though the birth date was put right.
    let put_right = Proxy {
        is_childs: true,
        ..adults.clone()
    };
    assert_eq!(state(&put_right, "2024-06-01", 0), Standstill::Over);
    // Whose age nobody knows may be a child.
    let unknown = Proxy {
        born: None,
        ..adults.clone()
    };
    assert_eq!(state(&unknown, "2024-06-01", 0), Standstill::Review);
    let ended = Proxy {
        ended_at: Some(at("2024-06-01")),
        ..adults
    };
    assert_eq!(state(&ended, "2024-06-01", 0), Standstill::Over);
}

#[test]
fn p24_a_birthday_of_a_leap_day_comes_no_later_than_it_should() {
    assert_eq!(birthday(at("2012-02-29"), 16), at("2028-02-29"));
    assert_eq!(birthday(at("2012-02-29"), 11), at("2023-02-28"));
    // Of a year alone the first day.
    assert_eq!(birthday(at("2012"), 11), at("2023-01-01"));
}

#[test]
fn p24_a_proxy_reads_what_it_was_given_and_changes_or_hands_on_nothing() {
    let online = of(leave(
        "1960-06-01",
        "2024-01-01",
        "2024-01-01",
        "2025-01-01",
    ));
    let now = at("2024-06-01");
    let scope = decide(true, &online, (Interaction::Read, "Observation"), now).unwrap();
    let expected = Reach::Compartment {
        patient: "child".into(),
        now,
    };
    assert_eq!(*scope.reach(), expected);
    assert!(scope.shows().unwrap().contains(&"DocumentReference"));
    assert!(!scope.shows().unwrap().contains(&"Patient"));
    for (interaction, ty) in [
        (Interaction::Search, "Observation"),
        (Interaction::Search, ""),
        (Interaction::Record, "DocumentReference"),
    ] {
        assert!(
            decide(true, &online, (interaction, ty), now).is_ok(),
            "{interaction:?}"
        );
    }
    for (interaction, ty) in [
        (Interaction::Read, "Patient"),
        (Interaction::Read, "Condition"),
        (Interaction::Read, "AuditEvent"),
        (Interaction::Record, "Consent"),
        (Interaction::AccessLog, ""),
        (Interaction::SetSharing, "Consent"),
        (Interaction::Proxies, ""),
        (Interaction::OnlineAccess, ""),
        (Interaction::Export, "Bundle"),
        (Interaction::Subscribe, "Bundle"),
        (Interaction::Create, "Observation"),
    ] {
        assert!(
            decide(true, &online, (interaction, ty), now).is_err(),
            "{interaction:?} {ty}"
        );
    }
    // The list of who looked opens only by its own word.
    let mut more = online;
    more.proxies[0].categories.push("access-log".into());
    assert!(decide(true, &more, (Interaction::AccessLog, ""), now).is_ok());
    // Appointments are arranged by who was given visits.
    let arranging = [
        Interaction::Slots,
        Interaction::Book,
        Interaction::CancelAppointment,
    ];
    for interaction in arranging {
        assert!(decide(true, &more, (interaction, "Appointment"), now).is_err());
    }
    more.proxies[0].categories.push("visits".into());
    for interaction in arranging {
        assert!(decide(true, &more, (interaction, "Appointment"), now).is_ok());
    }
    assert!(decide(true, &more, (Interaction::KeepDiary, "Slot"), now).is_err());
    // For themselves they may as before.
    assert!(decide(false, &more, (Interaction::SetSharing, "Consent"), now).is_ok());
}

#[test]
fn p24_whoever_acts_leaves_a_line_about_the_other_whatever_was_found() {
    let online = of(leave(
        "1960-06-01",
        "2024-01-01",
        "2024-01-01",
        "2025-01-01",
    ));
    let now = at("2024-06-01");
    let scope = decide(true, &online, (Interaction::Search, "Observation"), now).unwrap();
    let line = scope.trace(Interaction::Search, Outcome::Success, Target::default());
    assert_eq!(line.target.patient.as_deref(), Some("child"));
    assert_eq!(line.agent.patient.as_deref(), Some("p1"));
    assert_eq!(line.agent.name, "Pat Example");
    let caller = caller(true);
    let refused = crate::AuditEntry::refused(
        &caller,
        Interaction::Read,
        Purpose::PatientRequest,
        "Condition",
        None,
    );
    assert_eq!(refused.target.patient.as_deref(), Some("child"));
}

#[test]
fn p24_a_leave_that_is_not_there_any_more_opens_neither_record() {
    let now = at("2024-06-01");
    for online in [
        Online::default(),
        of(leave(
            "1960-06-01",
            "2023-01-01",
            "2023-01-01",
            "2024-05-31",
        )),
        of(leave(
            "2013-05-01",
            "2023-01-01",
            "2023-01-01",
            "2025-01-01",
        )),
    ] {
        let asked = (Interaction::Read, "Observation");
        let refused = decide(true, &online, asked, now).unwrap_err();
        assert_eq!(refused.kind, Kind::Suppressed);
    }
}

#[test]
fn p25_a_record_that_is_paused_opens_to_nobody_and_no_answer_says_who_wanted_it() {
    let now = at("2024-06-01");
    let mut online = of(leave(
        "1960-06-01",
        "2024-01-01",
        "2024-01-01",
        "2025-01-01",
    ));
    online.proxies[0].is_paused = true;
    let asked = (Interaction::Read, "Observation");
    let others = decide(true, &online, asked, now).unwrap_err();
    assert!(decide(false, &online, asked, now).is_ok());
    online.is_paused = true;
    let own = decide(false, &online, asked, now).unwrap_err();
    for (refused, of) in [(&own, "Your record"), (&others, "This record")] {
        assert_eq!(refused.kind, Kind::Suppressed);
        let expected = format!("{of} cannot be shown online at present.");
        assert!(
            refused.message.starts_with(&expected),
            "{}",
            refused.message
        );
        assert!(!refused.message.contains("paused"));
    }
    for interaction in [
        Interaction::Search,
        Interaction::Everything,
        Interaction::Export,
        Interaction::Subscribe,
        Interaction::Record,
        Interaction::AccessLog,
        Interaction::SetSharing,
        Interaction::Proxies,
    ] {
        assert!(
            decide(false, &online, (interaction, ""), now).is_err(),
            "{interaction:?}"
        );
    }
    // A shut account acts for nobody else either.
    online.proxies[0].is_paused = false;
    assert!(decide(true, &online, asked, now + DAY).is_err());
}
