//! Who reaches what.

use access::Interaction;
use fhir::Kind;
use fhir::search::Search;
use store::testing::{START, on_each_database};
use store::{Change, Expect, Job, Reading, Release, Store};

use crate::people::{app, commit, observation, patient, person, prepared, put_as, staff, system};

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

/// What an app sees of a few observations: two of a granted code, one that once was of it.
#[test]
fn a02_outside_its_scope_an_app_finds_nothing_and_changes_nothing() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let put = |code: &str, id: &str| {
            let text = observation("p0", code, "2024");
            put_as(&text, id, Expect::Anything, Release::At(START))
        };
        commit(
            &store,
            vec![put("c1", "yes"), put("c2", "no"), put("c2", "moved")],
        )
        .await
        .unwrap();
        commit(&store, vec![put("c1", "moved")]).await.unwrap();
        let part = "user/Observation.rs?code=http://loinc.org|c1";
        let scope = |interaction| app(part, interaction, "Observation").unwrap();
        for _ in 0..2 {
            let read = scope(Interaction::Read);
            let found = store.read(&read, "Observation", "yes").await.unwrap();
            assert!(matches!(found, Reading::Found(_)));
            let found = store.read(&read, "Observation", "no").await.unwrap();
            assert_eq!(found, Reading::Absent);
            // In the cache from now on.
            store.read(&system(), "Observation", "no").await.unwrap();
        }
        assert_eq!(
            ids(&store, &scope(Interaction::Search)).await,
            ["yes", "moved"]
        );
        let vread = scope(Interaction::Vread);
        let before = store
            .vread(&vread, "Observation", "moved", 1)
            .await
            .unwrap();
        assert_eq!(before, Reading::Absent);
        let history = scope(Interaction::HistoryInstance);
        for (id, count) in [("moved", 1), ("no", 0), ("yes", 1)] {
            let past = store.history(&history, "Observation", id, 9).await.unwrap();
            assert_eq!(past.len(), count, "{id}");
        }
        // What was not granted at all is refused by name.
        for (scopes, interaction, ty) in [
            (part, Interaction::Read, "Patient"),
            (part, Interaction::Update, "Observation"),
            (part, Interaction::Create, "Observation"),
            (part, Interaction::Export, "Bundle"),
            ("user/*.rs", Interaction::Subscribe, "Subscription"),
            ("user/*.cruds", Interaction::Inbox, ""),
            ("user/Patient.r", Interaction::Search, "Patient"),
        ] {
            let refused = app(scopes, interaction, ty).unwrap_err();
            assert_eq!(refused.kind, Kind::Forbidden, "{scopes} {interaction:?}");
        }
        // In a transaction the writer holds each change to it.
        let wide = "user/Observation.rus user/Patient.c";
        let scope = app(wide, Interaction::Transaction, "Bundle").unwrap();
        for (change, may) in [
            (put("c1", "yes"), true),
            (put("c1", "new"), false),
            (
                put_as(&person("X"), "x", Expect::Anything, Release::Keep),
                true,
            ),
            (
                put_as(&person("Y"), "x", Expect::Anything, Release::Keep),
                false,
            ),
        ] {
            let done = store.commit(&scope, Job::change(change)).await;
            assert_eq!(done.is_ok(), may);
        }
        store.close().await;
    });
}
