//! What must hold of everybody's history.

use std::collections::{BTreeMap, BTreeSet};

use access::NhsNumber;
use fhir::definitions::Definitions;
use fhir::json::{Limits, parse};
use serde_json::Value;

use super::stories::{Story, tell};
use super::writing::{HBA1C, day};
use super::*;

/// 2026-11-29.
const TODAY: i64 = 20_786;
const ALL: u32 = 2_000;

fn everybody() -> Vec<Person> {
    people(SEED, ALL, TODAY)
}

#[test]
fn one_number_is_one_person_however_many_are_asked_for() {
    let all = everybody();
    assert_eq!(all.len(), 2_000);
    assert_eq!(all[..60], people(SEED, 60, TODAY)[..]);
    assert_ne!(all[..60], people(SEED + 1, 60, TODAY)[..]);
    for (at, person) in all.iter().enumerate() {
        assert_eq!(person.number as usize, at);
    }
}

#[test]
fn every_nhs_number_is_of_the_test_range_checks_and_is_one_person_s() {
    let all = everybody();
    let mut seen = BTreeSet::new();
    for person in &all {
        assert!(person.nhs_number.starts_with("999"), "{person:?}");
        NhsNumber::parse(&person.nhs_number).unwrap();
        assert!(seen.insert(&person.nhs_number), "{person:?}");
    }
    let by_hand = crate::commands::demo::neighbours::NEIGHBOURS;
    let by_hand = by_hand.iter().map(|it| it.registered).collect::<String>();
    let taken = |number: &String| by_hand.contains(number.as_str());
    assert!(!all.iter().any(|it| taken(&it.nhs_number)));
}

#[test]
fn the_town_has_children_with_parents_and_old_people_and_two_practices() {
    let all = everybody();
    let between = |low, high| {
        all.iter()
            .filter(|it| (low..high).contains(&it.age))
            .count()
    };
    let shares = [between(0, 18), between(18, 65), between(65, 110)].map(|it| it * 100 / all.len());
    assert!((15..30).contains(&shares[0]), "{shares:?}");
    assert!((45..65).contains(&shares[1]), "{shares:?}");
    assert!((15..32).contains(&shares[2]), "{shares:?}");
    for person in &all {
        assert_eq!(
            person.age < 18 && person.parent.is_some(),
            person.parent.is_some()
        );
        if let Some(parent) = person.parent {
            let parent = &all[parent as usize];
            assert!(parent.age >= person.age + 18, "{person:?} {parent:?}");
            assert_eq!(
                (&parent.line, &parent.postcode),
                (&person.line, &person.postcode)
            );
            assert_eq!(parent.practice, person.practice);
        }
        assert!(person.postcode.starts_with("ZZ"), "{person:?}");
    }
    let grown_alone = all.iter().filter(|it| it.age < 16 && it.parent.is_none());
    assert_eq!(grown_alone.count(), 0, "no child lives alone");
    for practice in ["Z99001", "Z99002"] {
        assert!(all.iter().filter(|it| it.practice == practice).count() > 500);
    }
    let families: BTreeSet<_> = all.iter().map(|it| it.family).collect();
    assert!(families.len() > 60, "{}", families.len());
}

#[test]
fn every_story_is_told_and_nobody_s_is_about_somebody_it_cannot_be_about() {
    let mut told: BTreeMap<Story, u32> = BTreeMap::new();
    for person in everybody() {
        *told.entry(person.story).or_default() += 1;
        match person.story {
            Story::Pregnancy => assert!(person.is_woman && (19..42).contains(&person.age)),
            Story::HipFracture => assert!(person.age >= 76),
            Story::Cataract => assert!(person.age >= 65),
            Story::Copd => assert!(person.age >= 45),
            _ => {}
        }
    }
    assert_eq!(told.len(), 9, "{told:?}");
    assert!(told.values().all(|count| *count >= 15), "{told:?}");
}

#[test]
fn all_of_everybody_s_history_is_valid_r4() {
    let mut count = 0;
    for person in everybody() {
        for resource in tell(&person, TODAY).kept.values().flatten() {
            let text = resource.to_string();
            let read = parse(text.as_bytes(), &Limits::default()).unwrap();
            if let Err(problem) = fhir::validate::validate(&read, Definitions::r4()) {
                panic!("{problem:?}: {text}");
            }
            count += 1;
        }
    }
    assert!(count > 15_000, "only {count} resources");
}

/// When a resource is about, as its first ten characters of text.
fn on(resource: &Value) -> Option<String> {
    let places = [
        "/authoredOn",
        "/effectiveDateTime",
        "/occurrenceDateTime",
        "/onsetDateTime",
        "/recordedDate",
        "/period/start",
        "/start",
        "/date",
        "/created",
    ];
    let found = places
        .iter()
        .find_map(|place| resource.pointer(place)?.as_str());
    found.map(|text| text[..10].to_owned())
}

#[test]
fn nothing_happens_before_birth_or_after_today_and_a_stay_ends_after_it_began() {
    for person in everybody() {
        let born = day(person.born);
        for resource in tell(&person, TODAY).kept.values().flatten() {
            if let Some(on) = on(resource) {
                assert!(on >= born, "{} born {born}: {resource}", person.id);
                assert!(on <= day(TODAY), "{}: {resource}", person.id);
            }
            if let (Some(from), Some(to)) = (
                resource.pointer("/period/start"),
                resource.pointer("/period/end"),
            ) {
                assert!(from.as_str() < to.as_str(), "{resource}");
            }
        }
    }
}

#[test]
fn results_come_in_order_and_a_discharge_letter_after_its_admission() {
    for person in everybody() {
        let writing = tell(&person, TODAY);
        let home = &writing.kept[person.practice];
        let series = home
            .iter()
            .filter(|it| it.pointer("/code/coding/0/code") == Some(&HBA1C.code.into()));
        let series: Vec<_> = series.filter_map(on).collect();
        assert!(series.is_sorted(), "{}: {series:?}", person.id);
        assert_eq!(
            person.story == Story::Diabetes,
            !series.is_empty(),
            "{}",
            person.id
        );
        let Some(hospital) = writing.kept.get("RZZ01") else {
            continue;
        };
        let of = |ty: &'static str| hospital.iter().filter(move |it| it["resourceType"] == ty);
        for letter in of("DocumentReference").filter(|it| it["description"] == "Discharge summary")
        {
            let stay = of("Encounter")
                .find(|it| it["class"]["code"] == "IMP")
                .unwrap();
            let end = stay["period"]["end"].as_str().unwrap();
            assert!(letter["date"].as_str().unwrap() > end, "{letter} {stay}");
            let copy = home
                .iter()
                .any(|it| it["description"] == "Discharge summary" && it["date"] == letter["date"]);
            assert!(copy, "the practice has it too: {}", person.id);
        }
    }
}

#[test]
fn whoever_keeps_something_knows_the_patient_and_their_practice_and_ids_are_one_thing_s() {
    let (mut asked, mut own) = (0, BTreeSet::new());
    for person in everybody() {
        let writing = tell(&person, TODAY);
        for (ods, kept) in &writing.kept {
            let mut ids = BTreeSet::new();
            assert_eq!(kept[0]["resourceType"], "Patient", "{ods}");
            assert_eq!(
                kept[0]["generalPractitioner"][0]["identifier"]["value"],
                person.practice
            );
            let id = kept[0]["id"].as_str().unwrap().to_owned();
            assert!(
                own.insert((*ods, id.clone())),
                "{id} is somebody else's at {ods}"
            );
            for resource in kept {
                assert!(ids.insert((
                    resource["resourceType"].to_string(),
                    resource["id"].to_string()
                )));
                let text = resource.to_string();
                let fits = text
                    .split("\"Patient/")
                    .skip(1)
                    .all(|it| it.starts_with(&format!("{id}\"")));
                assert!(fits, "{text}");
            }
        }
        let home = &writing.kept[person.practice];
        asked += usize::from(
            home.iter()
                .any(|it| it["resourceType"] == "AllergyIntolerance"),
        );
    }
    // Of most it is known, of some it is not: the two must not look alike.
    assert!((1_600..1_900).contains(&asked), "{asked}");
}
