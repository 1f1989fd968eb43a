//! What a sheet and a step must be, and which sheet stands.

use super::*;

fn sheet(happened: &str) -> Sheet {
    Sheet {
        happened: happened.into(),
        ..Sheet::default()
    }
}

fn step(number: u32, sheet: Option<Sheet>) -> HandoverText {
    HandoverText {
        act: Act::Update,
        handover: "h1".into(),
        number,
        at: 1,
        by: "Paula Medic".into(),
        role: "clinician".into(),
        words: String::new(),
        sheet,
    }
}

#[test]
fn the_sheet_of_the_highest_number_stands_whatever_came_last() {
    let said = [
        step(1, Some(sheet("first"))),
        step(3, Some(sheet("third"))),
        step(2, Some(sheet("second"))),
    ];
    assert_eq!(standing(&said).unwrap().happened, "third");
    assert!(standing(&[]).is_none());
}

#[test]
fn the_newest_observations_are_those_taken_last_in_whatever_order_they_are_told() {
    let pulse = |at, pulse| Observations {
        pulse: Some(pulse),
        ..Observations::at(at)
    };
    let of = |observations| Sheet {
        observations,
        ..sheet("a fall")
    };
    let newest = |it: &Sheet| it.newest().and_then(|it| it.pulse);
    assert_eq!(newest(&of(vec![pulse(20, 90), pulse(10, 130)])), Some(90));
    assert_eq!(newest(&of(vec![pulse(10, 130), pulse(20, 90)])), Some(90));
    assert_eq!(newest(&of(Vec::new())), None);
}

#[test]
fn a_step_that_says_too_little_or_what_cannot_be_is_refused() {
    assert!(step(1, Some(sheet("a fall"))).check().is_ok());
    let wrong = |change: fn(&mut HandoverText)| {
        let mut it = step(1, Some(sheet("a fall")));
        change(&mut it);
        assert!(it.check().is_err(), "{it:?}");
    };
    wrong(|it| it.sheet = None);
    wrong(|it| it.act = Act::Begin);
    wrong(|it| it.act = Act::Withdraw);
    wrong(|it| it.number = 0);
    wrong(|it| it.number = text::STEPS_MAX + 1);
    wrong(|it| it.by.clear());
    wrong(|it| it.sheet = Some(sheet(" ")));
    wrong(|it| it.words = "x".repeat(WORDS_CHARS_MAX + 1));
    let set = |change: fn(&mut Observations)| {
        let mut it = Observations::at(1);
        change(&mut it);
        it.check()
    };
    assert!(set(|it| it.oxygen_saturation = Some(100)).is_ok());
    assert!(set(|it| it.oxygen_saturation = Some(101)).is_err());
    assert!(
        set(|it| it.temperature = Some(37)).is_err(),
        "not in tenths"
    );
    assert!(set(|it| it.scale = 3).is_err());
    let begun = HandoverText {
        act: Act::Begin,
        ..step(1, None)
    };
    assert!(begun.check().is_ok());
    let by_clerk = HandoverText {
        role: "clerk".into(),
        ..begun
    };
    assert!(by_clerk.check().is_err());
}

#[test]
fn the_age_is_that_on_the_day_and_unknown_stays_unknown() {
    let mut it = sheet("a fall");
    assert_eq!(it.age_at(0), None);
    it.age = Some(50);
    assert_eq!(it.age_at(0), Some(50));
    it.person.birth_date = Some("1953-11-30".into());
    // 1970-01-01
    assert_eq!(it.age_at(0), Some(16));
    it.person.birth_date = Some("1954-01-02".into());
    assert_eq!(it.age_at(0), Some(15));
    assert!(it.is_unknown());
    it.person.family = "Ash".into();
    assert!(!it.is_unknown());
}
