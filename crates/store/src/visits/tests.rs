use access::{Scope, SystemPurpose};
use fhir::problem::Kind;

use super::{Entry, EntryState, NewPack, NewVisit, PackState, Told, VisitState, VisitWrite};
use crate::testing::on_each_database;
use crate::write::{Change, Effect, Expect, Job};
use crate::{Prepared, Reading, Release, Store};

fn scope() -> Scope {
    Scope::system(SystemPurpose::Measure)
}

async fn write(store: &Store, write: VisitWrite) -> Result<(), Kind> {
    let done = store
        .commit(&scope(), Job::effect(Effect::Visit(write)))
        .await;
    done.map(|_| ()).map_err(|problem| problem.kind)
}

fn visit(id: &str) -> Box<NewVisit> {
    Box::new(NewVisit {
        id: id.into(),
        patient: "jane".into(),
        account: 7,
        nurse: "Nura Nurse".into(),
        day: "2026-11-29".into(),
        at: 1_000,
    })
}

async fn pack(store: &Store, id: &str, expires_at: i64, visits: &[&str]) -> Result<(), Kind> {
    let pack = NewPack {
        id: id.into(),
        account: 7,
        nurse: "Nura Nurse".into(),
        day: "2026-11-29".into(),
        expires_at,
        return_key: "ab".repeat(32),
        visits: visits.iter().map(|it| ((*it).to_owned(), 1)).collect(),
    };
    write(store, VisitWrite::TakeAlong(Box::new(pack))).await
}

fn entry(id: &str, pack: &str, visit: &str, state: EntryState) -> Box<Entry> {
    Box::new(Entry {
        id: id.into(),
        pack: pack.into(),
        visit: visit.into(),
        patient: "jane".into(),
        account: 7,
        author: "Nura Nurse".into(),
        body: "{}".into(),
        happened_at: 2_000,
        written_at: 3_000,
        arrived_at: 0,
        arrived_by: "Nura Nurse".into(),
        state,
        why: String::new(),
        settled_at: 0,
        settled_by: String::new(),
        settled_why: String::new(),
        told: Told::NoPractice,
    })
}

fn task(store: &Store, status: &str, expect: Expect) -> Change {
    let text = format!(r#"{{"resourceType":"Task","status":"{status}","intent":"order"}}"#);
    let json = fhir::json::parse(text.as_bytes(), &fhir::json::Limits::default()).unwrap();
    Change::Put {
        resource: Prepared::new(&json, "v1", store.organisation()).unwrap(),
        expect,
        release: Release::Keep,
    }
}

/// As a page brings it in: the Task's change and the entry in one job.
async fn lands(store: &Store, id: &str, pack: &str, version: u64) -> Result<(), Kind> {
    let entry = entry(id, pack, "v1", EntryState::Landed);
    let lands = Some((VisitState::Done, i64::try_from(version).unwrap()));
    let job = Job {
        changes: vec![task(store, "completed", Expect::Version(version))],
        effects: vec![
            Effect::Visit(VisitWrite::Arrive { entry, lands }),
            Effect::Visit(VisitWrite::Heard { pack: pack.into() }),
        ],
        ..Job::default()
    };
    let done = store.commit(&scope(), job).await;
    done.map(|_| ()).map_err(|problem| problem.kind)
}

async fn version(store: &Store) -> u64 {
    match store.read(&scope(), "Task", "v1").await.unwrap() {
        Reading::Found(version) => version.version,
        _ => 0,
    }
}

async fn out(store: &Store) -> Vec<(String, PackState, i64, i64)> {
    let (packs, more) = store.packs_out(&scope()).await.unwrap();
    assert!(!more);
    let told = packs
        .into_iter()
        .map(|it| (it.id, it.state, it.heard, it.visits));
    told.collect()
}

async fn begun(store: &Store) {
    for id in ["v1", "v2"] {
        write(store, VisitWrite::Plan(visit(id))).await.unwrap();
    }
    let change = task(store, "requested", Expect::Absent);
    store.commit(&scope(), Job::change(change)).await.unwrap();
}

#[test]
fn what_was_written_offline_arrives_once_however_often_and_partly_it_is_sent() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        begun(&store).await;
        pack(&store, "p", i64::MAX, &["v1", "v2"]).await.unwrap();
        assert_eq!(
            pack(&store, "p", i64::MAX, &[]).await,
            Err(Kind::Conflict),
            "a pack is made once"
        );
        lands(&store, "e1", "p", 1).await.unwrap();
        assert_eq!(version(&store).await, 2);
        assert_eq!(out(&store).await, [("p".into(), PackState::Out, 1, 2)]);
        // The same again: neither the Task nor anything else changes.
        for at in [1, 2] {
            assert!(lands(&store, "e1", "p", at).await.is_err());
            assert_eq!(version(&store).await, 2);
        }
        // The pack's second entry about the visit is meant for what its first left.
        lands(&store, "e2", "p", 2).await.unwrap();
        assert_eq!(version(&store).await, 3);
        let (entries, more) = store.visit_entries(&scope(), "v1").await.unwrap();
        assert_eq!((entries.len(), more), (2, false));
        let arrive = VisitWrite::Arrive {
            entry: entry("e3", "p", "v2", EntryState::Held),
            lands: None,
        };
        write(&store, arrive.clone()).await.unwrap();
        assert_eq!(write(&store, arrive).await, Err(Kind::Conflict));
        write(&store, VisitWrite::Heard { pack: "p".into() })
            .await
            .unwrap();
        assert_eq!(out(&store).await, [], "all of it was heard of");
        store.close().await;
    });
}

#[test]
fn of_two_devices_the_second_does_not_write_over_the_first() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        begun(&store).await;
        for id in ["p", "q"] {
            pack(&store, id, i64::MAX, &["v1"]).await.unwrap();
        }
        lands(&store, "e1", "p", 1).await.unwrap();
        assert!(lands(&store, "e2", "q", 1).await.is_err());
        // Nor by claiming a version that the pack has not seen.
        assert!(lands(&store, "e2", "q", 2).await.is_err());
        assert_eq!(version(&store).await, 2);
        assert!(store.visit_entry(&scope(), "e2").await.unwrap().is_none());
        let held = VisitWrite::Arrive {
            entry: entry("e2", "q", "v1", EntryState::Held),
            lands: None,
        };
        write(&store, held).await.unwrap();
        let (waiting, _) = store.entries_held(&scope()).await.unwrap();
        assert_eq!(waiting.len(), 1);
        let settle = |state| VisitWrite::Settle {
            id: "e2".into(),
            state,
            by: "Lee Lead".into(),
            why: "Both went".into(),
            visit: Some(VisitState::Done),
            told: Told::Practice("A99998".into()),
        };
        write(&store, settle(EntryState::PutIn)).await.unwrap();
        assert_eq!(
            write(&store, settle(EntryState::KeptOut)).await,
            Err(Kind::Conflict),
            "it is decided once"
        );
        let entry = store.visit_entry(&scope(), "e2").await.unwrap().unwrap();
        assert_eq!(
            (entry.state, entry.settled_by.as_str()),
            (EntryState::PutIn, "Lee Lead")
        );
        assert_eq!(entry.told, Told::Practice("A99998".into()));
        let entry = store.visit_entry(&scope(), "e1").await.unwrap().unwrap();
        assert_eq!(entry.told, Told::NoPractice);
        store.close().await;
    });
}

#[test]
fn a_pack_is_out_until_it_is_back_given_up_or_over() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        begun(&store).await;
        pack(&store, "p", i64::MAX, &["v1"]).await.unwrap();
        pack(&store, "q", 1, &["v1"]).await.unwrap();
        let over = store.packs_to_expire(&scope()).await.unwrap();
        assert_eq!(over.len(), 1);
        let expire = |pack: &str| VisitWrite::Expire { pack: pack.into() };
        assert_eq!(write(&store, expire("p")).await, Err(Kind::Conflict));
        write(&store, expire("q")).await.unwrap();
        assert!(store.packs_to_expire(&scope()).await.unwrap().is_empty());
        // What was written in it can still come.
        let states: Vec<_> = out(&store).await.into_iter().map(|it| it.1).collect();
        assert!(states.contains(&PackState::Expired) && states.contains(&PackState::Out));
        lands(&store, "e1", "q", 1).await.unwrap();
        assert_eq!(out(&store).await, [("p".into(), PackState::Out, 0, 1)]);
        let end = || VisitWrite::End {
            pack: "p".into(),
            why: "The tablet was stolen".into(),
        };
        write(&store, end()).await.unwrap();
        assert_eq!(write(&store, end()).await, Err(Kind::Conflict));
        assert_eq!(out(&store).await, []);
        store.close().await;
    });
}

#[test]
fn a_day_lists_its_visits_by_time_and_says_how_they_stand() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        begun(&store).await;
        let again = write(&store, VisitWrite::Plan(visit("v1"))).await;
        assert_eq!(again, Err(Kind::Conflict));
        let mut moved = visit("v1");
        moved.at = 5_000;
        let change = VisitWrite::Change {
            visit: moved,
            state: VisitState::Cancelled,
        };
        write(&store, change).await.unwrap();
        let (all, more) = store.visits_on(&scope(), "2026-11-29", None).await.unwrap();
        let told: Vec<(&str, VisitState)> =
            all.iter().map(|it| (it.id.as_str(), it.state)).collect();
        assert_eq!(
            told,
            [("v2", VisitState::Planned), ("v1", VisitState::Cancelled)]
        );
        assert!(!more);
        let of = async |day, account| store.visits_on(&scope(), day, account).await.unwrap().0;
        assert_eq!(of("2026-11-29", Some(7)).await.len(), 2);
        assert_eq!(of("2026-11-29", Some(8)).await.len(), 0);
        assert_eq!(of("2026-11-30", None).await.len(), 0);
        store.close().await;
    });
}
