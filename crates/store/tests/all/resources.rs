//! Create, read, update, delete, history.

use access::Interaction;
use fhir::Kind;
use store::testing::{START, on_each_database};
use store::{Change, Expect, Past, Reading, Release};

use crate::people::{commit, delete, observation, patient, person, put, put_as, system};

fn found(reading: Reading) -> (u64, String) {
    match reading {
        Reading::Found(version) => {
            let body = String::from_utf8(version.body.to_vec()).unwrap();
            (version.version, body)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_resource_is_read_as_it_was_written_with_its_version_in_meta() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let done = commit(&store, vec![put(&observation("p", "8302-2", "2024"), "o")]).await;
        let written = &done.unwrap().written[0];
        assert!(written.created);
        assert_eq!((written.version, written.last_updated), (1, START));
        for _ in 0..2 {
            let (version, body) = found(store.read(&system(), "Observation", "o").await.unwrap());
            assert_eq!(version, 1);
            assert!(body.contains(r#""value":1.50"#), "{body}");
            assert!(
                body.contains(r#""id":"o","meta":{"versionId":"1","lastUpdated":"2026-01-05T"#),
                "{body}"
            );
        }
        store.close().await;
    });
}

#[test]
fn reading_tells_deleted_from_never_known() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let scope = system();
        let never = store.read(&scope, "Patient", "p").await.unwrap();
        assert_eq!(never, Reading::Absent);
        commit(&store, vec![put(&person("One"), "p")])
            .await
            .unwrap();
        ground.clock().advance(5);
        let removed = vec![delete("Patient", "p", Expect::Anything)];
        commit(&store, removed).await.unwrap();
        let deleted = Reading::Deleted {
            version: 2,
            at: START + 5,
        };
        assert_eq!(store.read(&scope, "Patient", "p").await.unwrap(), deleted);
        assert_eq!(
            store.vread(&scope, "Patient", "p", 2).await.unwrap(),
            deleted
        );
        let first = store.vread(&scope, "Patient", "p", 1).await.unwrap();
        assert!(found(first).1.contains("One"));
        // Deleting again changes nothing; putting brings it back.
        let again = commit(&store, vec![delete("Patient", "p", Expect::Anything)]).await;
        assert_eq!(again.unwrap().written[0].version, 2);
        let back = commit(&store, vec![put(&person("Two"), "p")])
            .await
            .unwrap();
        assert!(back.written[0].created);
        let (version, body) = found(store.read(&scope, "Patient", "p").await.unwrap());
        assert_eq!(version, 3);
        assert!(body.contains("Two"));
        let past = store.history(&scope, "Patient", "p", 10).await.unwrap();
        let versions: Vec<_> = past
            .iter()
            .map(|past| match past {
                Past::Version(version) => (version.version, false),
                Past::Deletion { version, .. } => (*version, true),
            })
            .collect();
        assert_eq!(versions, [(3, false), (2, true), (1, false)]);
        store.close().await;
    });
}

#[test]
fn a_change_that_expects_otherwise_is_refused_with_its_whole_job() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        commit(&store, vec![put(&person("One"), "p")])
            .await
            .unwrap();
        let cases = [
            (Expect::Absent, "p", Kind::Duplicate),
            (Expect::Version(2), "p", Kind::Conflict),
            (Expect::Exists, "q", Kind::NotFound),
            (Expect::Version(1), "q", Kind::Conflict),
        ];
        for (expect, id, kind) in cases {
            let job = vec![
                put(&person("Other"), "bystander"),
                put_as(&person("Two"), id, expect, Release::Keep),
            ];
            let problem = commit(&store, job).await.unwrap_err();
            assert_eq!(problem.kind, kind, "{expect:?}");
            assert_eq!(problem.expression, Some(format!("Patient/{id}")));
            let bystander = store.read(&system(), "Patient", "bystander").await;
            assert_eq!(bystander.unwrap(), Reading::Absent);
        }
        for (expect, version) in [(Expect::Version(1), 2), (Expect::Exists, 3)] {
            let job = vec![put_as(&person("Two"), "p", expect, Release::Keep)];
            assert_eq!(
                commit(&store, job).await.unwrap().written[0].version,
                version
            );
        }
        let unknown = commit(&store, vec![delete("Patient", "z", Expect::Anything)]).await;
        assert_eq!(unknown.unwrap_err().kind, Kind::NotFound);
        store.close().await;
    });
}

#[test]
fn a_resource_stands_in_a_job_only_once() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let twice = vec![
            put(&person("One"), "p"),
            delete("Patient", "p", Expect::Anything),
        ];
        assert_eq!(commit(&store, twice).await.unwrap_err().kind, Kind::Invalid);
        store.close().await;
    });
}

#[test]
fn many_writers_at_once_each_get_their_own_version_and_none_is_lost() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let mut tasks = Vec::new();
        for number in 0..60 {
            let store = store.clone();
            tasks.push(tokio::spawn(async move {
                // Every third is refused, and must not take its neighbours in the batch along.
                let expect = if number % 3 == 0 {
                    Expect::Version(1000)
                } else {
                    Expect::Anything
                };
                let name = format!("N{number}");
                let change = put_as(&person(&name), "p", expect, Release::Keep);
                commit(&store, vec![change, put(&person(&name), &name)]).await
            }));
        }
        let (mut versions, mut refused) = (Vec::new(), 0);
        for task in tasks {
            match task.await.unwrap() {
                Ok(done) => versions.push(done.written[0].version),
                Err(problem) => {
                    assert_eq!(problem.kind, Kind::Conflict);
                    refused += 1;
                }
            }
        }
        versions.sort_unstable();
        assert_eq!(versions, (1..=40).collect::<Vec<u64>>());
        assert_eq!(refused, 20);
        let refused = store.read(&system(), "Patient", "N3").await.unwrap();
        assert_eq!(refused, Reading::Absent);
        store.close().await;
    });
}

#[test]
fn a_clock_that_goes_back_does_not_take_history_back() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        commit(&store, vec![put(&person("One"), "p")])
            .await
            .unwrap();
        ground.clock().advance(-3_600_000);
        let done = commit(&store, vec![put(&person("Two"), "p")])
            .await
            .unwrap();
        assert_eq!(done.written[0].last_updated, START);
        store.close().await;
    });
}

#[test]
fn what_was_written_is_there_after_a_restart_and_can_be_changed_and_deleted() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        commit(&store, vec![put(&observation("p", "1-1", "2024"), "o")])
            .await
            .unwrap();
        store.close().await;
        // The words that its index rows hold must be learnt anew.
        let store = ground.open().await;
        let changed = vec![put(&observation("q", "2-2", "2025"), "o")];
        assert_eq!(commit(&store, changed).await.unwrap().written[0].version, 2);
        store.close().await;
        let store = ground.open().await;
        let gone = vec![delete("Observation", "o", Expect::Version(2))];
        assert_eq!(commit(&store, gone).await.unwrap().written[0].version, 3);
        store.close().await;
    });
}

#[test]
fn a_release_changes_who_may_see_it_but_makes_no_version() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        commit(&store, vec![put(&observation("p", "1-1", "2024"), "o")])
            .await
            .unwrap();
        let release = Change::Release {
            ty: "Observation".into(),
            id: "o".into(),
            release: Release::At(START),
        };
        assert_eq!(
            commit(&store, vec![release]).await.unwrap().written[0].version,
            1
        );
        store.close().await;
    });
}

#[test]
fn what_is_deleted_can_be_held_and_stays_so_when_it_is_put_back() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let text = observation("p", "1-1", "2024");
        let made = put_as(&text, "o", Expect::Absent, Release::At(START));
        commit(&store, vec![made]).await.unwrap();
        commit(&store, vec![delete("Observation", "o", Expect::Anything)])
            .await
            .unwrap();
        let hold = Change::Release {
            ty: "Observation".into(),
            id: "o".into(),
            release: Release::Never,
        };
        commit(&store, vec![hold]).await.unwrap();
        assert!(matches!(
            store.read(&system(), "Observation", "o").await.unwrap(),
            Reading::Deleted { .. }
        ));
        commit(&store, vec![put(&observation("p", "1-1", "2024"), "o")])
            .await
            .unwrap();
        let patient = patient("p", Interaction::Read, START + 1);
        assert!(!matches!(
            store.read(&patient, "Observation", "o").await.unwrap(),
            Reading::Found(_)
        ));
        store.close().await;
    });
}

#[test]
fn when_too_much_waits_a_write_is_refused_and_nothing_acknowledged_is_lost() {
    on_each_database(async |ground| {
        let settings = store::Settings {
            writes_waiting_max: 2,
            ..ground.settings.clone()
        };
        let store = store::Store::open(settings).await.unwrap();
        let mut tasks = Vec::new();
        for number in 0..200 {
            let store = store.clone();
            tasks.push(tokio::spawn(async move {
                let id = format!("n{number}");
                let done = commit(&store, vec![put(&person("One"), &id)]).await;
                (id, done)
            }));
        }
        let mut refused = 0;
        let mut taken = Vec::new();
        for task in tasks {
            match task.await.unwrap() {
                (id, Ok(_)) => taken.push(id),
                (_, Err(problem)) => {
                    assert_eq!(problem.kind, Kind::Throttled);
                    refused += 1;
                }
            }
        }
        assert!(refused > 0 && !taken.is_empty(), "{refused} refused");
        store.close().await;
        let store = ground.open().await;
        for id in taken {
            let read = store.read(&system(), "Patient", &id).await.unwrap();
            assert!(matches!(read, Reading::Found(_)), "{id}");
        }
        store.close().await;
    });
}
