//! Walks through records, against reading one by one.

use access::{Interaction, Scope, Target};
use fhir::care::CareTime;
use fhir::date::span;
use fhir::problem::Kind;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use store::bulk::{Cursor, Walk, Walked, Within};
use store::testing::{START, on_each_database};
use store::{AuditDurability, AuditFilter, Change, Expect, Reading, Release, Settings, Store};

use crate::people::{
    app, commit, delete, observation, patient, person, prepared, put_as, staff, system,
};

fn asked(ty: &'static str, id: &str) -> Target {
    Target {
        ty: ty.into(),
        id: Some(id.into()),
        ..Target::default()
    }
}

async fn all(store: &Store, scope: &Scope, walk: Walk) -> Vec<Walked> {
    let action = Interaction::Everything;
    let mut walker = store
        .walk(scope, action, Target::default(), walk)
        .await
        .unwrap();
    let mut found = Vec::new();
    while let Some(walked) = walker.next().await.unwrap() {
        found.push(walked);
    }
    found
}

fn names(found: &[Walked]) -> Vec<String> {
    let mut names: Vec<String> = found
        .iter()
        .map(|walked| format!("{}/{}", walked.version.ty, walked.version.id))
        .collect();
    names.sort();
    names
}

fn put(text: &str, id: &str) -> Change {
    put_as(text, id, Expect::Anything, Release::At(START))
}

/// What one made-up resource is: whose, in which organisation, released when, deleted or not.
type Made = (usize, usize, i64, bool);

async fn make(store: &Store, number: usize, made: &Made) {
    let (patient, organisation, release, deleted) = made;
    let id = format!("o{number}");
    let both = r#"{"resourceType":"Provenance","target":[{"reference":"Patient/p0"},{"reference":"Patient/p1"}],"recorded":"2024-01-01T00:00:00Z","agent":[{"who":{"display":"x"}}]}"#;
    let text = match patient {
        0 | 1 => observation(&format!("p{patient}"), "c", "2024-01-01"),
        2 => both.to_string(),
        _ => r#"{"resourceType":"Organization","name":"x"}"#.to_string(),
    };
    let ty = ["Observation", "Observation", "Provenance", "Organization"][*patient];
    let change = Change::Put {
        resource: prepared(&text, &id, ["A81001", "B82002"][*organisation]),
        expect: Expect::Anything,
        release: Release::At(START + release * 10),
    };
    commit(store, vec![change]).await.unwrap();
    if *deleted {
        commit(store, vec![delete(ty, &id, Expect::Exists)])
            .await
            .unwrap();
    }
}

#[test]
fn a_walk_gives_exactly_what_may_be_read_one_by_one_each_once() {
    let one = (0..4_usize, 0..2_usize, 0..3_i64, any::<bool>());
    let config = Config {
        cases: 8,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&prop::collection::vec(one, 1..25), |made| {
        on_each_database(async |ground| {
            let settings = Settings {
                audit: AuditDurability::WithinOneSecond,
                ..ground.settings.clone()
            };
            let store = Store::open(settings).await.unwrap();
            for (number, made) in made.iter().enumerate() {
                make(&store, number, made).await;
            }
            compare(&store, made.len()).await;
            store.close().await;
        });
        Ok(())
    });
    outcome.unwrap();
}

fn part(scopes: &str) -> access::Scope {
    app(scopes, Interaction::Everything, "Resource").unwrap()
}

async fn compare(store: &Store, made: usize) {
    let types = || {
        ["Observation", "Organization", "Provenance"]
            .map(str::to_string)
            .to_vec()
    };
    for scope in [
        system(),
        staff("A81001", Interaction::Everything),
        patient("p0", Interaction::Everything, START),
        patient("p1", Interaction::Everything, START + 10),
        part("user/Observation.rs?code=c user/Organization.rs"),
        part("patient/*.rs"),
        part("user/Observation.rs?code=other user/Provenance.rs"),
    ] {
        let (mut readable, mut about_people) = (Vec::new(), Vec::new());
        for ty in types() {
            for number in 0..made {
                let id = format!("o{number}");
                if let Reading::Found(version) = store.read(&scope, &ty, &id).await.unwrap() {
                    readable.push(format!("{ty}/{id}"));
                    if version.body.windows(8).any(|it| it == b"Patient/") {
                        about_people.push(format!("{ty}/{id}"));
                    }
                }
            }
        }
        readable.sort();
        about_people.sort();
        let only = |only_patients| Walk {
            types: types(),
            ..Walk::all(Within::Types { only_patients })
        };
        assert_eq!(names(&all(store, &scope, only(false)).await), readable);
        assert_eq!(names(&all(store, &scope, only(true)).await), about_people);
        // Two patients' compartments, one after the other.
        let both = Walk::all(Within::Patients(vec!["p0".into(), "p1".into()]));
        let found = all(store, &scope, both.clone()).await;
        assert_eq!(names(&found), about_people, "{:?}", scope.reach());
        // From wherever it is taken up again, the rest follows.
        for (number, walked) in found.iter().enumerate() {
            let cursor = Cursor::parse(&walked.at.to_string()).unwrap();
            let rest = Walk {
                after: cursor,
                ..both.clone()
            };
            assert_eq!(all(store, &scope, rest).await, found[number + 1..]);
        }
    }
}

#[test]
fn what_a_record_refers_to_comes_along_unless_it_is_about_somebody_else() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let seen = r#"{"resourceType":"Encounter","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/p"},"participant":[{"individual":{"reference":"Practitioner/d/_history/1"}}],"serviceProvider":{"reference":"Organization/x"},"partOf":{"reference":"Encounter/other"}}"#;
        let of_encounter = observation("p", "c", "2024-01-01").replacen(
            "\"status\"",
            "\"encounter\":{\"reference\":\"Encounter/e\"},\"status\"",
            1,
        );
        commit(
            &store,
            vec![
                put(&person("Test"), "p"),
                put(seen, "e"),
                put(r#"{"resourceType":"Practitioner","active":true}"#, "d"),
                put(&seen.replace("Patient/p", "Patient/q"), "other"),
                put(&of_encounter, "o1"),
                put(&observation("p", "c", "2023-01-01"), "o2"),
            ],
        )
        .await
        .unwrap();
        let walk = Walk {
            with_referenced: true,
            ..Walk::all(Within::Patients(vec!["p".into()]))
        };
        let scope = staff("A81001", Interaction::Everything);
        let found = all(&store, &scope, walk.clone()).await;
        let record = [
            "Encounter/e",
            "Observation/o1",
            "Observation/o2",
            "Patient/p",
            "Practitioner/d",
        ];
        assert_eq!(names(&found), record);
        assert!(
            found
                .iter()
                .all(|it| it.included == (it.version.ty == "Practitioner"))
        );
        // A practitioner is about no patient, so a patient cannot read it, and does not get it.
        let own = patient("p", Interaction::Everything, START + 1);
        assert_eq!(names(&all(&store, &own, walk.clone()).await), record[..4]);
        let types = Walk {
            types: vec!["Observation".into()],
            ..walk.clone()
        };
        assert_eq!(names(&all(&store, &scope, types).await), record[1..3]);
        let in_time = Walk {
            care: CareTime {
                from: span("2024").map(|it| it.low),
                before: None,
            },
            ..walk.clone()
        };
        let found = names(&all(&store, &scope, in_time).await);
        assert!(
            !found.contains(&"Observation/o2".to_string())
                && found.contains(&"Patient/p".to_string())
        );
        // The encounter: itself, its patient, what refers to it, who took part.
        let within = Within::Encounter {
            id: "e".into(),
            patients: Vec::new(),
        };
        let walk = Walk { within, ..walk };
        let mut walker = store
            .walk_from(
                &scope,
                Interaction::Everything,
                asked("Encounter", "e"),
                walk,
            )
            .await
            .unwrap();
        let mut found = Vec::new();
        while let Some(walked) = walker.next().await.unwrap() {
            found.push(walked);
        }
        assert_eq!(
            names(&found),
            [
                "Encounter/e",
                "Observation/o1",
                "Patient/p",
                "Practitioner/d"
            ]
        );
        store.close().await;
    });
}

/// More is referred to than is fetched at once, and the first that are asked for do not come along.
#[test]
fn what_comes_along_is_whole_where_the_count_has_ended_the_walk() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let reasons: Vec<String> = (0..120)
            .map(|number| format!(r#"{{"reference":"Condition/c{number}"}}"#))
            .collect();
        let seen = format!(
            r#"{{"resourceType":"Encounter","status":"finished","class":{{"code":"AMB"}},"subject":{{"reference":"Patient/p"}},"reasonReference":[{}],"participant":[{{"individual":{{"reference":"Practitioner/d"}}}}]}}"#,
            reasons.join(",")
        );
        let ill = r#"{"resourceType":"Condition","subject":{"reference":"Patient/p"}}"#;
        commit(
            &store,
            vec![
                put(&person("Test"), "p"),
                put(&seen, "e"),
                put(ill, "c0"),
                put(r#"{"resourceType":"Practitioner","active":true}"#, "d"),
            ],
        )
        .await
        .unwrap();
        let walk = Walk {
            with_referenced: true,
            count: Some(3),
            ..Walk::all(Within::Patients(vec!["p".into()]))
        };
        let scope = staff("A81001", Interaction::Everything);
        let found = all(&store, &scope, walk).await;
        assert_eq!(
            names(&found),
            ["Condition/c0", "Encounter/e", "Patient/p", "Practitioner/d"]
        );
        store.close().await;
    });
}

#[test]
fn a_walk_from_what_may_not_be_read_finds_nothing_and_is_traced() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        commit(&store, vec![put(&person("Test"), "p")])
            .await
            .unwrap();
        for (scope, id, outcome) in [
            (
                patient("q", Interaction::Everything, START + 1),
                "p",
                "withheld",
            ),
            (
                patient("q", Interaction::Everything, START + 1),
                "q",
                "absent",
            ),
            (
                patient("p", Interaction::Everything, START + 1),
                "p",
                "success",
            ),
        ] {
            let walk = Walk::all(Within::Patients(vec![id.into()]));
            let walker = store
                .walk_from(&scope, Interaction::Everything, asked("Patient", id), walk)
                .await;
            match walker {
                Err(problem) => assert_eq!(problem.kind, Kind::NotFound),
                Ok(_) => assert_eq!(outcome, "success"),
            }
            let who = access::Role::PrivacyOfficer;
            let filter = AuditFilter {
                count: 1,
                ..AuditFilter::default()
            };
            let log = store
                .audit_page(&crate::people::officer(who), &filter)
                .await
                .unwrap();
            let line = &log.entries[0];
            assert_eq!(
                (line.interaction.as_ref(), line.outcome.code()),
                ("everything", outcome)
            );
        }
        store.close().await;
    });
}
