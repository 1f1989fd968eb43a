//! For tests of this and other crates: the same test on every database.
//!
//! SQLite is always there, in a folder of its own. PostgreSQL is used when
//! `HANDOVER_TEST_POSTGRES` holds the address of a server where databases may be made; without it the
//! half is skipped aloud, and in CI (`CI=true`) that is a failure.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot be set up has failed"
)]

mod template;

use std::path::PathBuf;

use access::Ods;

use crate::clock::Clock;
use crate::database::postgres;
use crate::settings::{Database, Settings};
use crate::store::Store;
use template::Own;

/// Where a fixed test clock starts: 2026-01-05T09:00:00Z.
pub const START: i64 = 1_767_603_600_000;

/// A fresh database and the settings to open it with, as often as one likes.
#[derive(Debug)]
pub struct Ground {
    pub settings: Settings,
}

impl Ground {
    /// Opens the store; the same rows each time.
    pub async fn open(&self) -> Store {
        Store::open(self.settings.clone())
            .await
            .expect("the test's store opens")
    }

    /// Runs statements on the database itself, past any store.
    ///
    /// # Panics
    /// If they fail.
    pub async fn execute(&self, text: &str) {
        match &self.settings.database {
            Database::Sqlite(path) => {
                let connection = rusqlite::Connection::open(path).expect("the file opens");
                connection.execute_batch(text).expect("the statements run");
            }
            Database::Postgres { url, schema } => {
                let pool = postgres::pool(url, schema, 1, 60).expect("a pool");
                let client = pool.get().await.expect("a connection");
                client
                    .batch_execute(text)
                    .await
                    .expect("the statements run");
            }
        }
    }

    /// Puts the audit log back to that line, as a restore from an old copy does.
    pub async fn put_audit_back(&self, upto: i64) {
        let text = format!(
            "DELETE FROM audit WHERE seq > {upto}; DELETE FROM audit_tile; \
             UPDATE audit_tree SET size = 0, last_seq = 0; \
             DELETE FROM audit_checkpoint WHERE size > {upto}; \
             DELETE FROM audit_cosignature WHERE size > {upto}"
        );
        self.execute(&text).await;
    }

    /// Alters a line of the audit log, and forgets its tree and checkpoints, which are then made anew:
    /// what somebody could do who has the whole database.
    pub async fn rewrite_audit(&self, seq: i64) {
        let text = format!(
            "UPDATE audit SET name = 'x' WHERE seq = {seq}; DELETE FROM audit_tile; \
             UPDATE audit_tree SET size = 0, last_seq = 0; DELETE FROM audit_checkpoint"
        );
        self.execute(&text).await;
    }

    /// Notes the letters about which rules did something once more, as what is stored again is noted.
    pub async fn note_again_what_rules_did(&self) {
        let text = "INSERT INTO rule_event (rule, event, key, resource, pid, at, tries, next_try, reason) \
             SELECT rule, 'letter-received', key, (SELECT p.document FROM parcel p WHERE p.pid = a.pid), pid, at, 0, 0, \
             NULL FROM rule_act a";
        self.execute(text).await;
    }

    /// The hand of the stores' clock.
    pub fn clock(&self) -> &Clock {
        &self.settings.clock
    }

    pub fn is_sqlite(&self) -> bool {
        matches!(self.settings.database, Database::Sqlite(_))
    }
}

/// Runs a test on SQLite, then on PostgreSQL, each time on a fresh database.
pub fn on_each_database(test: impl AsyncFn(&Ground)) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let folder = folder();
        let ground = ground(Database::Sqlite(folder.join("store.sqlite")));
        test(&ground).await;
        let _ = std::fs::remove_dir_all(&folder);
        if let Some(url) = postgres_url() {
            let own = Own::make(&url).await;
            test(&ground_postgres(&own)).await;
            own.remove(&url).await;
        }
    });
}

/// As `on_each_database`, with a node's database for each of these organisations. They share one
/// clock.
pub fn nodes_on_each_database(organisations: &[&str], test: impl AsyncFn(&[Ground])) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let own = |ground: &mut Ground, ods: &str, clock: &Clock| {
        ground.settings.organisation = Ods::parse(ods).expect("an ODS code");
        ground.settings.clock = clock.clone();
    };
    runtime.block_on(async {
        let folder = folder();
        let clock = Clock::fixed(START);
        let mut grounds = Vec::new();
        for ods in organisations {
            let file = folder.join(format!("{ods}.sqlite"));
            let mut ground = ground(Database::Sqlite(file));
            own(&mut ground, ods, &clock);
            grounds.push(ground);
        }
        test(&grounds).await;
        let _ = std::fs::remove_dir_all(&folder);
        let Some(url) = postgres_url() else { return };
        let clock = Clock::fixed(START);
        let (mut grounds, mut databases) = (Vec::new(), Vec::new());
        for ods in organisations {
            let database = Own::make(&url).await;
            let mut ground = ground_postgres(&database);
            own(&mut ground, ods, &clock);
            grounds.push(ground);
            databases.push(database);
        }
        test(&grounds).await;
        for database in databases {
            database.remove(&url).await;
        }
    });
}

/// The address of the test's PostgreSQL server, if there is one.
///
/// # Panics
/// In CI when there is none.
pub fn postgres_url() -> Option<String> {
    let url = std::env::var("HANDOVER_TEST_POSTGRES").ok();
    if url.is_none() {
        if std::env::var("CI").is_ok_and(|ci| ci == "true") {
            panic!("HANDOVER_TEST_POSTGRES is not set: in CI every store test runs on PostgreSQL");
        }
        eprintln!("SKIPPED on PostgreSQL: HANDOVER_TEST_POSTGRES is not set");
    }
    url
}

/// A folder of this test's own.
pub fn folder() -> PathBuf {
    let name = format!("handover-test-{}", uuid::Uuid::new_v4().simple());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).expect("a folder for the test");
    folder
}

fn ground(database: Database) -> Ground {
    let organisation = Ods::parse("A81001").expect("an ODS code");
    let settings = Settings {
        clock: Clock::fixed(START),
        ..Settings::new(database, organisation)
    };
    Ground { settings }
}

fn ground_postgres(own: &Own) -> Ground {
    ground(Database::Postgres {
        url: own.url.clone(),
        schema: template::SCHEMA.to_owned(),
    })
}
