//! Opening and closing a store, and ending in the middle.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use fhir::Kind;
use store::testing::{folder, on_each_database};
use store::{AuditFilter, Database, Job, Reading, Settings, Store};

use crate::people::{commit, ods, person, put, system};

#[test]
fn a_store_opens_again_where_it_was_closed() {
    on_each_database(async |ground| {
        for _ in 0..2 {
            let store = ground.open().await;
            store.commit(&system(), Job::default()).await.unwrap();
            store.close().await;
        }
        let store = ground.open().await;
        for length in [0, 1] {
            let filter = AuditFilter {
                count: 10,
                ..AuditFilter::default()
            };
            let page = store.audit_page(&system(), &filter).await.unwrap();
            assert_eq!(page.entries.len(), length, "each look leaves its line");
        }
        store.close().await;
    });
}

#[test]
fn a_closed_store_refuses_and_does_not_hang() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        store.clone().close().await;
        let refused = commit(&store, vec![put(&person("One"), "p")]).await;
        assert_eq!(refused.unwrap_err().kind, Kind::Transient);
    });
}

#[test]
fn f16_an_older_binary_refuses_a_newer_schema() {
    let folder = folder();
    let path = folder.join("store.sqlite");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let settings = Settings::new(Database::Sqlite(path.clone()), ods("A81001"));
        Store::open(settings.clone()).await.unwrap().close().await;
        let raw = rusqlite::Connection::open(&path).unwrap();
        raw.execute(
            "INSERT INTO migration VALUES (9999, '9999_future', 'x', 0, 0)",
            (),
        )
        .unwrap();
        let refused = Store::open(settings.clone()).await.unwrap_err();
        assert_eq!(refused.kind, Kind::BusinessRule);
        assert!(refused.message.contains("9999_future"), "{refused}");
        raw.execute("DELETE FROM migration WHERE number = 9999", ())
            .unwrap();
        raw.execute("UPDATE migration SET digest = 'x' WHERE number = 1", ())
            .unwrap();
        let refused = Store::open(settings).await.unwrap_err();
        assert!(refused.message.contains("differs"), "{refused}");
        let path = folder.join("other.sqlite");
        let other = rusqlite::Connection::open(&path).unwrap();
        other
            .execute("CREATE TABLE somebody_elses (x)", ())
            .unwrap();
        let settings = Settings::new(Database::Sqlite(path), ods("A81001"));
        assert_eq!(
            Store::open(settings).await.unwrap_err().kind,
            Kind::BusinessRule
        );
    });
    std::fs::remove_dir_all(folder).unwrap();
}

/// Names the file for the process that is to be killed.
const VICTIM: &str = "HANDOVER_TEST_VICTIM";

/// Not a test by itself: it writes until it is killed, and tells each id once it is acknowledged.
#[test]
fn victim() {
    let Ok(path) = std::env::var(VICTIM) else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let settings = Settings::new(Database::Sqlite(path.into()), ods("A81001"));
        let store = Store::open(settings).await.unwrap();
        let writers = (0..8).map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for number in 0..100_000 {
                    let id = format!("w{writer}-{number}");
                    // Two resources a job: both or none.
                    let job = vec![
                        put(&person("One"), &id),
                        put(&person("Two"), &format!("{id}b")),
                    ];
                    commit(&store, job).await.unwrap();
                    writeln!(std::io::stderr(), "acknowledged {id}").unwrap();
                }
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
    });
}

#[test]
fn f01_what_was_acknowledged_before_a_kill_is_there_after_it_and_nothing_by_halves() {
    let folder = folder();
    let path = folder.join("store.sqlite");
    let mut acknowledged = Vec::new();
    for round in 0..4 {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "opening::victim", "--nocapture"])
            .env(VICTIM, &path)
            .env("RUST_BACKTRACE", "0")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(victim.stderr.take().unwrap()).lines();
        for line in lines.map_while(Result::ok).take(20 + round * 37) {
            acknowledged.extend(line.strip_prefix("acknowledged ").map(str::to_string));
        }
        victim.kill().unwrap();
        victim.wait().unwrap();
        // The next round must not find the ids taken.
        let seen = acknowledged.clone();
        check(&path, &seen);
        if round < 3 {
            std::fs::rename(&path, folder.join(format!("{round}.sqlite"))).unwrap();
            for end in ["-wal", "-shm", "-ahead", "-ahead2"] {
                let _ = std::fs::remove_file(folder.join(format!("store.sqlite{end}")));
            }
            acknowledged.clear();
        }
    }
    std::fs::remove_dir_all(folder).unwrap();
}

fn check(path: &std::path::Path, acknowledged: &[String]) {
    assert!(acknowledged.len() > 10);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let settings = Settings::new(Database::Sqlite(path.to_path_buf()), ods("A81001"));
        let store = Store::open(settings).await.unwrap();
        for id in acknowledged {
            for id in [id.clone(), format!("{id}b")] {
                let read = store.read(&system(), "Patient", &id).await.unwrap();
                assert!(
                    matches!(read, Reading::Found(_)),
                    "{id} was acknowledged and is gone"
                );
            }
        }
        let all = fhir::search::Search::parse(
            "Patient",
            &[("_summary".into(), "count".into())],
            "https://gp.example/fhir",
            &fhir::search::Limits::default(),
        );
        let total = store.search(&system(), &all.unwrap()).await.unwrap().total;
        assert!(
            total.is_some_and(|total| total % 2 == 0),
            "half a job is there"
        );
        store.close().await;
    });
}
