//! Copies of a store that is written to, put back and compared.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use store::copies::{Copier, FileBack, Record, RecordKind, RowsBack, Taken};
use store::testing::{Ground, on_each_database};
use store::{AuditFilter, Database, Reading, Settings, Store};
use tokio::sync::mpsc;

use crate::people::{commit, person, put, system};

/// The pieces of one copy.
async fn copy(copier: &mut Copier, is_full: bool) -> Option<(Taken, Vec<Record>)> {
    let (out, mut pieces) = mpsc::channel(4);
    let gather = tokio::spawn(async move {
        let mut all = Vec::new();
        while let Some(piece) = pieces.recv().await {
            all.push(piece);
        }
        all
    });
    let taken = match is_full {
        true => Some(copier.full(out).await.unwrap()),
        false => copier.changes(out).await.unwrap(),
    };
    Some((taken?, gather.await.unwrap()))
}

/// Puts pieces back, one copy over the other, and opens what comes of it.
async fn put_back(ground: &Ground, taken: Taken, pieces: &[Record], name: &str) -> Store {
    let mut settings = ground.settings.clone();
    match &ground.settings.database {
        Database::Sqlite(path) => {
            let copy = path.with_extension(name);
            file_back(&copy, taken, pieces);
            settings.database = Database::Sqlite(copy);
        }
        Database::Postgres { url, schema } => {
            settings.database = Database::Postgres {
                url: url.clone(),
                schema: format!("{schema}_{name}"),
            };
            rows_back(settings.clone(), pieces).await;
        }
    }
    Store::open(settings).await.unwrap()
}

fn file_back(path: &Path, taken: Taken, pieces: &[Record]) {
    let file = FileBack::create(path).unwrap();
    assert!(FileBack::create(path).is_err(), "nothing is overwritten");
    for piece in pieces {
        match piece.kind {
            RecordKind::Pages => file.put(piece).unwrap(),
            _ => panic!("{:?}", piece.kind),
        }
    }
    file.end(Some(taken.database_bytes)).unwrap();
    let connection = rusqlite::Connection::open(path).unwrap();
    let check: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
}

async fn rows_back(settings: Settings, pieces: &[Record]) {
    let mut back = RowsBack::begin(settings.clone()).await.unwrap();
    for piece in pieces {
        back.take(piece.clone()).await.unwrap();
    }
    back.end().await.unwrap();
    assert!(
        RowsBack::begin(settings).await.is_err(),
        "nothing is overwritten"
    );
}

/// Somebody who changes and reads records without end: what was answered.
struct Busy {
    stop: Arc<AtomicBool>,
    answered: Arc<Mutex<Vec<String>>>,
    work: tokio::task::JoinHandle<()>,
}

impl Busy {
    fn start(store: &Store, name: &'static str) -> Busy {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::default()));
        let (store, ended, told) = (store.clone(), stop.clone(), answered.clone());
        let work = tokio::spawn(async move {
            for number in 0.. {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let id = format!("{name}-{number}");
                commit(&store, vec![put(&person("One"), &id)])
                    .await
                    .unwrap();
                store.read(&system(), "Patient", &id).await.unwrap();
                let told: &Mutex<Vec<String>> = &told;
                told.lock().push(id);
                // All of it is looked at while more is written: faster, and there would be no end.
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        });
        Busy {
            stop,
            answered,
            work,
        }
    }

    fn answered(&self) -> Vec<String> {
        self.answered.lock().clone()
    }

    /// What was answered, once that is more than so many.
    async fn more_than(&self, count: usize) -> Vec<String> {
        for _ in 0..1000 {
            let answered = self.answered();
            if answered.len() > count {
                return answered;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("nothing is written any more");
    }

    async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.work.await.unwrap();
    }
}

/// How many lines of the log tell of each record.
async fn lines(store: &Store) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    let mut before = None;
    loop {
        let filter = AuditFilter {
            count: 1000,
            before,
            ..AuditFilter::default()
        };
        let page = store.audit_page(&system(), &filter).await.unwrap();
        for id in page.entries.into_iter().filter_map(|it| it.target.id) {
            *counts.entry(id).or_default() += 1;
        }
        before = page.next;
        if before.is_none() {
            return counts;
        }
    }
}

async fn assert_holds(store: &Store, ids: &[String]) {
    let lines = lines(store).await;
    for id in ids {
        // One of the change, one of the look at it.
        assert_eq!(lines.get(id), Some(&2), "{id}: its lines of the log");
        let read = store.read(&system(), "Patient", id).await.unwrap();
        assert!(matches!(read, Reading::Found(_)), "{id} was answered");
    }
}

#[test]
fn a_copy_and_what_changed_after_it_hold_all_that_was_answered_before() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let busy = Busy::start(&store, "a");
        let mut copier = store.copier().unwrap();
        let (mut all, mut last) = (Vec::new(), 0);
        for round in 0..12 {
            tokio::time::sleep(std::time::Duration::from_millis(60)).await;
            // Others move the log into the file while copies are taken.
            if round == 5 && copier.can_follow() {
                let Database::Sqlite(path) = &ground.settings.database else {
                    panic!()
                };
                let connection = rusqlite::Connection::open(path).unwrap();
                let _ = connection.execute_batch("PRAGMA wal_checkpoint(PASSIVE)");
            }
            let before = busy.more_than(last).await;
            last = before.len();
            let is_full = round == 0 || !copier.can_follow();
            let (taken, pieces) = copy(&mut copier, is_full).await.unwrap();
            if is_full {
                all = pieces;
            } else {
                all.extend(pieces);
            }
            // Some copies do not arrive: the next one holds what they held.
            if round % 3 != 1 {
                copier.keep();
            }
            if round % 4 == 3 {
                let restored = put_back(ground, taken, &all, &format!("r{round}")).await;
                assert_holds(&restored, &before).await;
                assert!(
                    restored
                        .check_audit(Vec::new())
                        .await
                        .unwrap()
                        .findings
                        .is_empty()
                );
                // Numbers that are given out go on where they were.
                commit(&restored, vec![put(&person("Two"), "new")])
                    .await
                    .unwrap();
                restored.close().await;
            }
        }
        busy.stop().await;
        store.close().await;
    });
}

#[test]
fn the_log_is_begun_again_under_the_copies_and_nothing_is_missed() {
    on_each_database(async |ground| {
        let Database::Sqlite(path) = &ground.settings.database else {
            return;
        };
        let store = ground.open().await;
        let mut copier = store.copier().unwrap();
        let (_, mut all) = copy(&mut copier, true).await.unwrap();
        copier.keep();
        let mut ids = Vec::new();
        let mut longest = 0;
        let mut taken = None;
        for round in 0..6 {
            let changes: Vec<_> = (0..1500)
                .map(|number| {
                    let id = format!("r{round}-{number}");
                    ids.push(id.clone());
                    put(&person(&format!("Name{round}x{number}")), &id)
                })
                .collect();
            commit(&store, changes).await.unwrap();
            let (now, pieces) = copy(&mut copier, false).await.unwrap();
            copier.keep();
            all.extend(pieces);
            taken = Some(now);
            longest = longest.max(log_bytes(path));
        }
        // Without turns it would hold every round.
        let written: usize = all.iter().map(|piece| piece.bytes.len()).sum();
        assert!(longest < written as u64, "{longest} of {written}");
        let restored = put_back(ground, taken.unwrap(), &all, "turned").await;
        for id in &ids {
            let read = restored.read(&system(), "Patient", id).await.unwrap();
            assert!(matches!(read, Reading::Found(_)), "{id}");
        }
        restored.close().await;
        store.close().await;
    });
}

fn log_bytes(database: &Path) -> u64 {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
        .metadata()
        .map_or(0, |about| about.len())
}

#[test]
fn another_process_copies_the_journal_along() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let busy = Busy::start(&store, "b");
        // It has no journal: the first store holds it.
        let beside = ground.open().await;
        let mut copier = beside.copier().unwrap();
        for round in 0..4 {
            tokio::time::sleep(std::time::Duration::from_millis(80)).await;
            let before = busy.answered();
            let (taken, pieces) = copy(&mut copier, true).await.unwrap();
            let (pages, files): (Vec<_>, Vec<_>) = pieces
                .into_iter()
                .partition(|piece| piece.kind != RecordKind::File);
            if let Database::Sqlite(path) = &ground.settings.database {
                let copy = path.with_extension(format!("b{round}"));
                assert!(!files.is_empty());
                for file in files {
                    let end = file.name.strip_prefix("store").unwrap();
                    let path = PathBuf::from(format!("{}{end}", copy.display()));
                    if file.at == 0 {
                        FileBack::create(&path).unwrap().put(&file).unwrap();
                    }
                }
            }
            let restored = put_back(ground, taken, &pages, &format!("b{round}")).await;
            assert_holds(&restored, &before).await;
            restored.close().await;
        }
        busy.stop().await;
        beside.close().await;
        store.close().await;
    });
}
