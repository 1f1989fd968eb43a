//! Who reaches what.

use access::Interaction;
use fhir::Kind;
use fhir::search::Search;
use store::testing::{START, on_each_database};
use store::{Change, Expect, Job, Reading, Release, Store};

use crate::people::{commit, observation, patient, person, prepared, put_as, staff, system};

async fn stocked(ground: &store::testing::Ground) -> Store {
    let store = ground.open().await;
    let foreign = Change::Put {
        resource: prepared(&observation("p", "1-1", "2024"), "foreign", "B82002"),
        expect: Expect::Absent,
        release: Release::At(START),
    };
    let changes = vec![
        put_as(&person("One"), "p", Expect::Absent, Release::At(START)),
        put_as(&person("Two"), "q", Expect::Absent, Release::At(START)),
        put_as(
            &observation("p", "1-1", "2024"),
            "seen",
            Expect::Absent,
            Release::At(START),
        ),
        put_as(
            &observation("p", "1-1", "2024"),
            "later",
            Expect::Absent,
            Release::At(START + 10),
        ),
        put_as(
            &observation("p", "1-1", "2024"),
            "never",
            Expect::Absent,
            Release::Keep,
        ),
        put_as(
            &observation("q", "1-1", "2024"),
            "other",
            Expect::Absent,
            Release::At(START),
        ),
        foreign,
    ];
    commit(&store, changes).await.unwrap();
    store
}

async fn ids(store: &Store, scope: &access::Scope) -> Vec<String> {
    let mut search = Search::all("Observation", 100);
    search.total = fhir::search::Total::Accurate;
    let page = store.search(scope, &search).await.unwrap();
    let ids: Vec<_> = page.entries.into_iter().map(|entry| entry.id).collect();
    assert_eq!(page.total, Some(ids.len() as u64));
    ids
}

#[test]
fn a01_a_patient_reaches_only_what_is_theirs_and_released() {
    on_each_database(async |ground| {
        let store = stocked(ground).await;
        let scope = patient("p", Interaction::Search, START);
        assert_eq!(ids(&store, &scope).await, ["seen", "foreign"]);
        for (ty, id) in [
            ("Patient", "q"),
            ("Observation", "later"),
            ("Observation", "never"),
            ("Observation", "other"),
            ("Observation", "nothing"),
        ] {
            let absent = Reading::Absent;
            assert_eq!(store.read(&scope, ty, id).await.unwrap(), absent, "{id}");
            assert_eq!(
                store.vread(&scope, ty, id, 1).await.unwrap(),
                absent,
                "{id}"
            );
            assert!(
                store.history(&scope, ty, id, 9).await.unwrap().is_empty(),
                "{id}"
            );
        }
        let scope = patient("p", Interaction::Search, START + 10);
        assert_eq!(ids(&store, &scope).await, ["seen", "later", "foreign"]);
        store.close().await;
    });
}

#[test]
fn an_old_version_about_somebody_else_stays_hidden_when_a_resource_moves() {
    on_each_database(async |ground| {
        let store = stocked(ground).await;
        let moved = put_as(
            &observation("p", "1-1", "2024"),
            "other",
            Expect::Exists,
            Release::Keep,
        );
        commit(&store, vec![moved]).await.unwrap();
        let scope = patient("p", Interaction::Vread, START);
        let now = store.read(&scope, "Observation", "other").await.unwrap();
        assert!(matches!(now, Reading::Found(version) if version.version == 2));
        let before = store
            .vread(&scope, "Observation", "other", 1)
            .await
            .unwrap();
        assert_eq!(before, Reading::Absent);
        assert_eq!(
            store
                .history(&scope, "Observation", "other", 9)
                .await
                .unwrap()
                .len(),
            1
        );
        let scope = patient("q", Interaction::Vread, START);
        let now = store.read(&scope, "Observation", "other").await.unwrap();
        assert_eq!(now, Reading::Absent);
        store.close().await;
    });
}

#[test]
fn staff_reach_what_their_organisation_holds_also_when_it_is_in_the_cache() {
    on_each_database(async |ground| {
        let store = stocked(ground).await;
        let (ours, theirs) = (
            staff("A81001", Interaction::Search),
            staff("B82002", Interaction::Search),
        );
        assert_eq!(
            ids(&store, &ours).await,
            ["seen", "later", "never", "other"]
        );
        assert_eq!(ids(&store, &theirs).await, ["foreign"]);
        for _ in 0..2 {
            let read = store.read(&ours, "Observation", "seen").await.unwrap();
            assert!(matches!(read, Reading::Found(_)));
            let read = store.read(&theirs, "Observation", "seen").await.unwrap();
            assert_eq!(read, Reading::Absent);
        }
        store.close().await;
    });
}

#[test]
fn nobody_writes_beyond_their_scope() {
    on_each_database(async |ground| {
        let store = stocked(ground).await;
        let put = |organisation: &str, id: &str| {
            Job::change(Change::Put {
                resource: prepared(&person("X"), id, organisation),
                expect: Expect::Anything,
                release: Release::Keep,
            })
        };
        // A look is no licence, a patient changes nothing.
        for scope in [
            staff("A81001", Interaction::Read),
            patient("p", Interaction::Read, START),
        ] {
            let refused = store.commit(&scope, put("A81001", "p")).await;
            assert_eq!(refused.unwrap_err().kind, Kind::Forbidden);
        }
        // Neither over what another organisation holds, nor in its name.
        let theirs = staff("B82002", Interaction::Update);
        for job in [put("B82002", "p"), put("A81001", "new")] {
            let refused = store.commit(&theirs, job).await;
            assert_eq!(refused.unwrap_err().kind, Kind::NotFound);
        }
        let untouched = store.read(&system(), "Patient", "p").await.unwrap();
        assert!(matches!(untouched, Reading::Found(version) if version.version == 1));
        store.close().await;
    });
}
