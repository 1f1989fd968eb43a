use std::sync::atomic::{AtomicBool, Ordering};

use access::{Interaction, Outcome, Scope, SystemPurpose, Target};

use super::*;
use crate::hl7_inbox::{Hl7Write, Received, Verdict};
use crate::testing::{Ground, on_each_database};
use crate::{Database, Effect, Job, Store};

fn scope() -> Scope {
    Scope::system(SystemPurpose::MapMessages)
}

fn message(control_id: &str) -> Received {
    Received {
        application: "PAS".into(),
        facility: "RXX01".into(),
        control_id: control_id.into(),
        kind: "ADT^A01".into(),
        body: format!("body of {control_id}").into_bytes(),
        verdict: Verdict::Take {
            accepted: b"AA".to_vec(),
            conflict: |_, _| b"AE".to_vec(),
        },
    }
}

fn entry(control_id: &str) -> Entry {
    Entry::Message {
        at: 5,
        keeping: Arc::new(Keeping::new(message(control_id))),
    }
}

fn line(id: &str) -> AuditEntry {
    let target = Target {
        ty: "Patient".into(),
        id: Some(id.into()),
        ..Target::default()
    };
    scope().trace(Interaction::Read, Outcome::Success, target)
}

async fn control_ids(store: &Store) -> Vec<String> {
    store.caught_up().await;
    let sql = Sql::new("SELECT control_id FROM hl7_message ORDER BY number");
    let rows = store.rows(&sql).await.unwrap();
    rows.iter()
        .map(|row| row.text(0).unwrap().to_owned())
        .collect()
}

async fn traced_ids(store: &Store) -> Vec<String> {
    store.caught_up().await;
    let sql = Sql::new("SELECT id FROM audit WHERE interaction = 'read' ORDER BY seq");
    let rows = store.rows(&sql).await.unwrap();
    rows.iter()
        .map(|row| row.text(0).unwrap().to_owned())
        .collect()
}

async fn receive(store: &Store, control_id: &str) {
    let write = Hl7Write::receive(message(control_id));
    let job = Job::effect(Effect::Hl7(write));
    store.commit(&scope(), job).await.unwrap();
}

fn path(ground: &Ground) -> Option<PathBuf> {
    match &ground.settings.database {
        Database::Sqlite(path) => Some(path.clone()),
        Database::Postgres { .. } => None,
    }
}

#[test]
fn what_a_killed_process_left_in_the_journal_is_moved_once_at_the_next_start() {
    on_each_database(async |ground| {
        let Some(path) = path(ground) else { return };
        // The first opening makes the schema.
        ground.open().await.close().await;
        let mut file = File::open(&Journal::path(&path)).unwrap().unwrap();
        file.append(&[entry("1"), Entry::Lines(vec![line("a")])])
            .unwrap();
        file.append(&[entry("2")]).unwrap();
        drop(file);
        for _ in 0..3 {
            let store = ground.open().await;
            assert_eq!(control_ids(&store).await, ["1", "2"]);
            assert_eq!(traced_ids(&store).await, ["a"]);
            store.close().await;
        }
    });
}

#[test]
fn the_order_of_arrival_is_kept_and_nothing_is_twice() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let mut expected = Vec::new();
        for number in 0..50 {
            let id = number.to_string();
            receive(&store, &id).await;
            receive(&store, &id).await;
            store.traced(vec![line(&id)]).await.unwrap();
            expected.push(id);
        }
        assert_eq!(control_ids(&store).await, expected);
        assert_eq!(traced_ids(&store).await, expected);
        store.close().await;
    });
}

/// An image of the files, taken while the store works, is what a power cut would leave.
#[test]
fn at_any_moment_the_files_hold_all_that_was_answered() {
    on_each_database(async |ground| {
        let Some(path) = path(ground) else { return };
        let store = ground.open().await;
        let stop = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let senders: Vec<_> = (0..8)
            .map(|sender| {
                let (store, stop, answered) = (store.clone(), stop.clone(), answered.clone());
                tokio::spawn(async move {
                    for number in 0.. {
                        if stop.load(Ordering::Relaxed) {
                            return;
                        }
                        let id = format!("{sender}-{number}");
                        receive(&store, &id).await;
                        store.traced(vec![line(&id)]).await.unwrap();
                        answered.lock().push(id);
                    }
                })
            })
            .collect();
        for number in 0..8 {
            tokio::time::sleep(std::time::Duration::from_millis(40)).await;
            let before = answered.lock().clone();
            let image = path.with_extension(format!("image{number}"));
            // The journal first: what it no longer holds is then in the tables.
            let (from, to) = (Journal::path(&path), Journal::path(&image));
            std::fs::copy(&from, &to).unwrap();
            std::fs::copy(File::second(&from), File::second(&to)).unwrap();
            let connection = rusqlite::Connection::open(&path).unwrap();
            let text = format!("VACUUM INTO '{}'", image.display());
            connection.execute_batch(&text).unwrap();
            let mut settings = ground.settings.clone();
            settings.database = Database::Sqlite(image);
            let copy = Store::open(settings).await.unwrap();
            for mut held in [control_ids(&copy).await, traced_ids(&copy).await] {
                let count = held.len();
                held.sort_unstable();
                held.dedup();
                assert_eq!(held.len(), count, "nothing twice");
                for id in &before {
                    assert!(held.binary_search(id).is_ok(), "{id} was answered");
                }
            }
            copy.close().await;
        }
        stop.store(true, Ordering::Relaxed);
        for sender in senders {
            sender.await.unwrap();
        }
        let mut held = control_ids(&store).await;
        held.sort_unstable();
        let mut all = answered.lock().clone();
        all.sort_unstable();
        assert_eq!(held, all);
        store.close().await;
    });
}

#[test]
fn a_second_store_on_the_same_file_works_without_a_journal() {
    on_each_database(async |ground| {
        let first = ground.open().await;
        receive(&first, "1").await;
        first.caught_up().await;
        let second = ground.open().await;
        receive(&second, "2").await;
        assert_eq!(control_ids(&second).await, ["1", "2"]);
        second.close().await;
        first.close().await;
    });
}
