//! Search parameters of the node's own: from the SearchParameter that brings one to the searches
//! that use it.

use std::time::Duration;

use fhir::problem::Kind;
use fhir::search::{Limits, Search};
use store::testing::on_each_database;
use store::{Effect, Expect, Job, ReindexState, ReindexWrite, Store};

use crate::people::{commit, delete, person, put, system};

fn by(store: &Store, text: &str) -> Result<Search, fhir::Problem> {
    let (name, value) = text.split_once('=').unwrap();
    let pairs = [(name.to_string(), value.to_string())];
    Search::parse_with(&store.registry(), "Patient", &pairs, "", &Limits::default())
}

async fn ids(store: &Store, text: &str) -> Vec<String> {
    let page = store.search(&system(), &by(store, text).unwrap()).await;
    page.unwrap().entries.into_iter().map(|it| it.id).collect()
}

fn parameter(code: &str, kind: &str, expression: &str) -> String {
    format!(
        r#"{{"resourceType":"SearchParameter","url":"https://fhir.example/SearchParameter/{code}","name":"Own","status":"active","description":"Made up","code":"{code}","base":["Patient"],"type":"{kind}","expression":"{expression}"}}"#
    )
}

/// Waits until no job is open; a job that never ends fails the test.
async fn settled(store: &Store) {
    for _ in 0..600 {
        let jobs = store.reindexing().await.unwrap();
        let open = |state| matches!(state, ReindexState::Waiting | ReindexState::Running);
        if !jobs.iter().any(|job| open(job.state)) {
            // The registry follows within a look.
            tokio::time::sleep(Duration::from_millis(1500)).await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{:?}", store.reindexing().await);
}

fn with_eyes(eyes: &str) -> String {
    format!(
        r#"{{"resourceType":"Patient","name":[{{"family":"X"}}],"maritalStatus":{{"text":"{eyes}"}}}}"#
    )
}

#[test]
fn a_search_parameter_of_ones_own_finds_what_was_there_before_and_what_comes_after() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        commit(
            &store,
            vec![
                put(&with_eyes("blue"), "before"),
                put(&person("Y"), "other"),
            ],
        )
        .await
        .unwrap();
        assert_eq!(
            by(&store, "eyes=blue").unwrap_err().kind,
            Kind::NotSupported
        );
        let eyes = parameter("eyes", "string", "Patient.maritalStatus.text");
        commit(&store, vec![put(&eyes, "eyes")]).await.unwrap();
        settled(&store).await;
        let job = store.reindexing().await.unwrap().remove(0);
        assert_eq!(
            (job.name.as_str(), job.state),
            ("SearchParameter/eyes", ReindexState::Done)
        );
        assert_eq!((job.done, job.total), (2, 2));
        assert_eq!(ids(&store, "eyes=blue").await, ["before"]);
        commit(&store, vec![put(&with_eyes("blue-green"), "after")])
            .await
            .unwrap();
        commit(&store, vec![put(&with_eyes("brown"), "before")])
            .await
            .unwrap();
        assert_eq!(ids(&store, "eyes=blue").await, ["after"]);
        assert_eq!(
            ids(&store, "_sort=-eyes").await,
            ["before", "after", "other"]
        );

        // Another expression: nothing of the old one is found under it.
        let eyes = parameter("eyes", "string", "Patient.name.family");
        commit(&store, vec![put(&eyes, "eyes")]).await.unwrap();
        settled(&store).await;
        assert!(ids(&store, "eyes=blue").await.is_empty());
        assert_eq!(ids(&store, "eyes=y").await, ["other"]);

        // It is there after a restart, and gone with its resource.
        store.close().await;
        let store = ground.open().await;
        settled(&store).await;
        assert_eq!(ids(&store, "eyes=y").await, ["other"]);
        let gone = delete("SearchParameter", "eyes", Expect::Exists);
        commit(&store, vec![gone]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(by(&store, "eyes=y").unwrap_err().kind, Kind::NotSupported);
        store.close().await;
    });
}

#[test]
fn what_cannot_be_searched_by_is_refused_with_its_reason_and_everything_can_be_indexed_anew() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        commit(&store, vec![put(&person("Y"), "y")]).await.unwrap();
        let faulty = parameter("odd", "string", "Patient.name.frobnicate()");
        let official = parameter("family", "string", "Patient.name.family");
        commit(&store, vec![put(&faulty, "odd"), put(&official, "family")])
            .await
            .unwrap();
        let again = || Job::effect(Effect::Reindex(ReindexWrite::Everything));
        let mut twice = again();
        twice.effects.extend(again().effects);
        let refused = store.commit(&system(), twice).await.unwrap_err();
        assert_eq!(refused.kind, Kind::Conflict);
        store.commit(&system(), again()).await.unwrap();
        settled(&store).await;
        let jobs = store.reindexing().await.unwrap();
        let states: Vec<_> = jobs
            .iter()
            .map(|job| (job.name.as_str(), job.state))
            .collect();
        assert_eq!(
            states,
            [
                ("SearchParameter/odd", ReindexState::Refused),
                ("SearchParameter/family", ReindexState::Done),
                ("everything", ReindexState::Done),
            ]
        );
        assert!(
            jobs[0]
                .problem
                .as_ref()
                .is_some_and(|why| why.contains("frobnicate"))
        );
        assert_eq!(jobs[2].done, jobs[2].total);
        assert_eq!(ids(&store, "family=y").await, ["y"]);
        assert_eq!(by(&store, "odd=y").unwrap_err().kind, Kind::NotSupported);
        store.close().await;
    });
}

/// Jobs stay when they are done, and so do those that were refused: there may be any number of them
/// before the one that is open.
#[test]
fn a_job_behind_a_thousand_others_is_worked_on_and_everything_can_be_indexed_anew() {
    const BEFORE: i64 = 1000;
    on_each_database(async |ground| {
        let store = ground.open().await;
        let mut job = Job::default();
        for number in 1..=BEFORE {
            let odd = parameter(&format!("odd{number}"), "string", "Patient.frobnicate()");
            job.changes.push(put(&odd, &format!("odd{number}")));
            let problem = "It cannot be read.".to_string();
            let refuse = ReindexWrite::Refuse { number, problem };
            job.effects.push(Effect::Reindex(refuse));
        }
        store.commit(&system(), job).await.unwrap();
        let jobs = store.reindexing().await.unwrap();
        assert_eq!(jobs.len(), 1000);
        assert!(jobs.iter().all(|job| job.state == ReindexState::Refused));

        commit(&store, vec![put(&with_eyes("blue"), "before")])
            .await
            .unwrap();
        let eyes = parameter("eyes", "string", "Patient.maritalStatus.text");
        commit(&store, vec![put(&eyes, "eyes")]).await.unwrap();
        settled(&store).await;
        assert_eq!(ids(&store, "eyes=blue").await, ["before"]);
        for _ in 0..2 {
            let again = Job::effect(Effect::Reindex(ReindexWrite::Everything));
            store.commit(&system(), again).await.unwrap();
            settled(&store).await;
        }
        let last = store.reindexing().await.unwrap().pop().unwrap();
        assert_eq!(
            (last.name.as_str(), last.state),
            ("everything", ReindexState::Done)
        );
        store.close().await;
    });
}
