use access::{Ods, Scope, SystemPurpose};

use fhir::problem::{Kind, Problem};

use super::{Incoming, Large, Named, Parcel, ParcelDone, ParcelWrite, PartOf, Proof};
use crate::testing::{Ground, on_each_database};
use crate::{Done, Effect, Job, Store};

const DAY: i64 = 86_400_000;

fn scope() -> Scope {
    Scope::system(SystemPurpose::TakeInParcels)
}

async fn write(store: &Store, write: ParcelWrite) -> Result<ParcelDone, Problem> {
    let committed = store
        .commit(&scope(), Job::effect(Effect::Parcel(write)))
        .await?;
    match committed.done.into_iter().next() {
        Some(Done::Parcel(done)) => Ok(done),
        other => panic!("{other:?}"),
    }
}

fn parcel(id: &str, sha256: &str) -> Parcel {
    Parcel {
        kind: super::Kind::Letter,
        sender: Ods::parse("RZZ01").unwrap(),
        recipient: Ods::parse("A81001").unwrap(),
        id: id.into(),
        text: format!("{{\"id\":\"{id}\"}}"),
        digest: format!("digest of {id}"),
        title: "A letter".into(),
        author: String::new(),
        urgent: false,
        marked: false,
        unique_id: String::new(),
        replaces: None,
        named: Named::default(),
        parts: vec![PartOf {
            sha256: sha256.into(),
            size: 6,
            content_type: "text/plain".into(),
        }],
    }
}

fn receive(id: &str, sha256: &str) -> ParcelWrite {
    let manifest = Proof::new("signed");
    ParcelWrite::Receive(Box::new(Incoming {
        parcel: parcel(id, sha256),
        manifest,
        after: Vec::new(),
    }))
}

fn append(sha256: &str, start: u64, bytes: &[u8], complete: bool) -> ParcelWrite {
    ParcelWrite::Append {
        sender: Ods::parse("RZZ01").unwrap(),
        sha256: sha256.into(),
        start,
        bytes: bytes.to_vec(),
        complete,
    }
}

async fn want(store: &Store, sha256: &str) {
    let sender = Ods::parse("RZZ01").unwrap();
    let contents = vec![(sha256.to_string(), 6)];
    write(
        store,
        ParcelWrite::Want {
            sender,
            contents,
            bytes_max: u64::MAX,
        },
    )
    .await
    .unwrap();
}

async fn held(store: &Store, sha256: &str) -> Option<u64> {
    let sender = Ods::parse("RZZ01").unwrap();
    store
        .content_held(&sender, sha256)
        .await
        .unwrap()
        .map(|held| held.held)
}

#[test]
fn a_parcel_is_stored_only_with_its_contents_and_only_once() {
    on_each_database(async |ground: &Ground| {
        let store = ground.open().await;
        assert_eq!(
            write(&store, receive("p1", "c")).await.unwrap_err().kind,
            Kind::Incomplete
        );
        assert_eq!(
            write(&store, append("c", 0, b"abc", false))
                .await
                .unwrap_err()
                .kind,
            Kind::Conflict
        );
        want(&store, "c").await;
        write(&store, append("c", 0, b"abc", false)).await.unwrap();
        assert_eq!(
            write(&store, receive("p1", "c")).await.unwrap_err().kind,
            Kind::Incomplete
        );
        assert_eq!(
            write(&store, append("c", 0, b"abc", false))
                .await
                .unwrap_err()
                .kind,
            Kind::Conflict
        );
        write(&store, append("c", 3, b"def", true)).await.unwrap();
        let first = write(&store, receive("p1", "c")).await.unwrap();
        let ParcelDone::Received {
            pid,
            at,
            known: false,
        } = first
        else {
            panic!("{first:?}")
        };
        ground.clock().advance(DAY);
        let again = write(&store, receive("p1", "c")).await.unwrap();
        assert_eq!(
            again,
            ParcelDone::Received {
                pid,
                at,
                known: true
            }
        );
        let sender = Ods::parse("RZZ01").unwrap();
        let bytes = store
            .content_bytes(&scope(), &sender, "c", 2, true)
            .await
            .unwrap();
        assert_eq!(bytes, b"cdef");
        store.close().await;
    });
}

#[test]
fn a_parcel_is_taken_in_once_and_its_content_is_kept_while_another_needs_it() {
    on_each_database(async |ground: &Ground| {
        let store = ground.open().await;
        want(&store, "c").await;
        write(&store, append("c", 0, b"abcdef", true))
            .await
            .unwrap();
        for id in ["p1", "p2"] {
            write(&store, receive(id, "c")).await.unwrap();
        }
        let waiting = store.to_take_in(&scope(), 10).await.unwrap();
        let take_in = |pid: i64| ParcelWrite::TakenIn {
            pid,
            patient: "una".into(),
            document: format!("d{pid}"),
            binaries: vec![],
        };
        write(&store, take_in(waiting[0].pid)).await.unwrap();
        assert_eq!(
            held(&store, "c").await,
            Some(6),
            "the other letter needs it"
        );
        let again = write(&store, take_in(waiting[0].pid)).await.unwrap_err();
        assert_eq!(again.kind, Kind::Conflict);
        write(&store, take_in(waiting[1].pid)).await.unwrap();
        assert_eq!(held(&store, "c").await, None);
        store.close().await;
    });
}

#[test]
fn what_was_begun_and_never_finished_is_forgotten() {
    on_each_database(async |ground: &Ground| {
        let store = ground.open().await;
        for sha256 in ["old", "used"] {
            want(&store, sha256).await;
        }
        write(&store, append("used", 0, b"abcdef", true))
            .await
            .unwrap();
        write(&store, receive("p1", "used")).await.unwrap();
        ground.clock().advance(8 * DAY);
        want(&store, "new").await;
        let wanted_before = store.now() - 7 * DAY;
        write(&store, ParcelWrite::Tidy { wanted_before })
            .await
            .unwrap();
        assert_eq!(held(&store, "old").await, None);
        assert_eq!(held(&store, "new").await, Some(0));
        assert_eq!(held(&store, "used").await, Some(6));
        store.close().await;
    });
}

#[test]
fn a_neighbour_cannot_begin_more_than_a_thousand_contents() {
    on_each_database(async |ground: &Ground| {
        let store = ground.open().await;
        let sender = Ods::parse("RZZ01").unwrap();
        let contents = |from: u32, to: u32| (from..to).map(|at| (format!("c{at}"), 6)).collect();
        let first = ParcelWrite::Want {
            sender: sender.clone(),
            contents: contents(0, 1000),
            bytes_max: u64::MAX,
        };
        write(&store, first).await.unwrap();
        let more = ParcelWrite::Want {
            sender,
            contents: contents(1000, 1001),
            bytes_max: u64::MAX,
        };
        assert_eq!(write(&store, more).await.unwrap_err().kind, Kind::Throttled);
        assert_eq!(held(&store, "c1000").await, None);
        store.close().await;
    });
}

#[test]
fn a_neighbour_cannot_begin_more_bytes_than_the_node_keeps_for_it() {
    on_each_database(async |ground: &Ground| {
        let store = ground.open().await;
        let begin = async |content: &str, size: u64| {
            let want = ParcelWrite::Want {
                sender: Ods::parse("RZZ01").unwrap(),
                contents: vec![(content.to_string(), size)],
                bytes_max: 100,
            };
            write(&store, want).await
        };
        begin("c1", 60).await.unwrap();
        assert_eq!(begin("c2", 60).await.unwrap_err().kind, Kind::Throttled);
        assert_eq!(held(&store, "c2").await, None, "nothing of it is kept");
        // What was begun may be asked after and finished, and then there is room again.
        begin("c1", 60).await.unwrap();
        let whole = ParcelWrite::Append {
            sender: Ods::parse("RZZ01").unwrap(),
            sha256: "c1".into(),
            start: 0,
            bytes: vec![1; 60],
            complete: true,
        };
        write(&store, whole).await.unwrap();
        begin("c2", 60).await.unwrap();
        store.close().await;
    });
}

#[test]
fn a_content_is_read_on_from_any_byte_whatever_the_lengths_of_its_pieces() {
    on_each_database(async |ground: &Ground| {
        let store = ground.open().await;
        want(&store, "c").await;
        for (start, bytes) in [(0, "a"), (1, "bc"), (3, "d"), (4, "ef")] {
            let last = start == 4;
            write(&store, append("c", start, bytes.as_bytes(), last))
                .await
                .unwrap();
        }
        let sender = Ods::parse("RZZ01").unwrap();
        for (from, expected) in [
            (0, "abc"),
            (1, "bcd"),
            (2, "cd"),
            (3, "def"),
            (4, "ef"),
            (5, "f"),
            (6, ""),
        ] {
            let scope = scope();
            let reading = store.content_bytes(&scope, &sender, "c", from, false);
            assert_eq!(reading.await.unwrap(), expected.as_bytes(), "from {from}");
        }
        store.close().await;
    });
}

#[test]
fn a_content_stays_for_as_long_as_a_binary_stands_for_it() {
    on_each_database(async |ground: &Ground| {
        let store = ground.open().await;
        let sender = Ods::parse("RZZ01").unwrap();
        let large = |sha256: &str| ParcelWrite::Large {
            binary: "b".into(),
            large: Large {
                sender: sender.clone(),
                sha256: sha256.into(),
                size: 6,
            },
        };
        for content in ["kept", "loose"] {
            want(&store, content).await;
        }
        let refused = write(&store, large("kept")).await.unwrap_err();
        assert_eq!(refused.kind, Kind::Incomplete, "it is not whole yet");
        for content in ["kept", "loose"] {
            let append = ParcelWrite::Append {
                sender: sender.clone(),
                sha256: content.into(),
                start: 0,
                bytes: vec![1; 6],
                complete: true,
            };
            write(&store, append).await.unwrap();
        }
        write(&store, large("kept")).await.unwrap();
        let wanted_before = store.now() + 1;
        write(&store, ParcelWrite::Tidy { wanted_before })
            .await
            .unwrap();
        assert_eq!(held(&store, "kept").await, Some(6));
        assert_eq!(held(&store, "loose").await, None);
        let found = store.large_binary(&scope(), "b").await.unwrap().unwrap();
        assert_eq!((found.sha256.as_str(), found.size), ("kept", 6));
        assert_eq!(store.large_binary(&scope(), "c").await.unwrap(), None);
        store.close().await;
    });
}

#[test]
fn of_two_processes_one_has_the_work_for_a_neighbour_until_its_time_is_over() {
    on_each_database(async |ground: &Ground| {
        let store = ground.open().await;
        let lease = async |holder: &str| {
            let until = store.now() + 10_000;
            let (peer, holder) = (Ods::parse("RZZ01").unwrap(), holder.to_string());
            write(
                &store,
                ParcelWrite::Lease {
                    peer,
                    holder,
                    until,
                },
            )
            .await
            .unwrap()
        };
        assert_eq!(lease("a").await, ParcelDone::Lease(true));
        assert_eq!(lease("b").await, ParcelDone::Lease(false));
        ground.clock().advance(5000);
        assert_eq!(lease("a").await, ParcelDone::Lease(true));
        ground.clock().advance(10_000);
        assert_eq!(lease("b").await, ParcelDone::Lease(true));
        // The clock is put back by an hour.
        ground.clock().advance(-3_600_000);
        assert_eq!(lease("a").await, ParcelDone::Lease(true));
        store.close().await;
    });
}

#[test]
fn an_older_directory_is_refused_after_a_restart_too() {
    on_each_database(async |ground: &Ground| {
        let store = ground.open().await;
        let directory = |version| ParcelWrite::Directory { version };
        for version in [3, 3, 4] {
            write(&store, directory(version)).await.unwrap();
        }
        store.close().await;
        let store = ground.open().await;
        let refused = write(&store, directory(3)).await.unwrap_err();
        assert_eq!(refused.kind, Kind::Conflict);
        write(&store, directory(4)).await.unwrap();
        store.close().await;
    });
}

#[test]
fn a_content_that_many_letters_carry_stays_as_long_as_one_of_them_waits() {
    on_each_database(async |ground: &Ground| {
        let store = ground.open().await;
        let place = || ParcelWrite::Place {
            sender: Ods::parse("RZZ01").unwrap(),
            sha256: "c".into(),
            bytes: b"abcdef".to_vec(),
        };
        let mut pids = Vec::new();
        for id in ["p1", "p2"] {
            write(&store, place()).await.unwrap();
            match write(&store, receive(id, "c")).await.unwrap() {
                ParcelDone::Received { pid, .. } => pids.push(pid),
                other => panic!("{other:?}"),
            }
        }
        for (pid, stays) in [(pids[1], Some(6)), (pids[0], None)] {
            let taken_in = ParcelWrite::TakenIn {
                pid,
                patient: "jane".into(),
                document: format!("d{pid}"),
                binaries: Vec::new(),
            };
            write(&store, taken_in).await.unwrap();
            assert_eq!(held(&store, "c").await, stays, "{pid}");
        }
        // Begun in pieces, and then whole in one.
        want(&store, "c").await;
        write(&store, append("c", 0, b"abc", false)).await.unwrap();
        for rows in [1, 0] {
            assert_eq!(
                write(&store, place()).await.unwrap(),
                ParcelDone::Rows(rows)
            );
        }
        assert_eq!(held(&store, "c").await, Some(6));
        let scope = scope();
        let sender = Ods::parse("RZZ01").unwrap();
        let bytes = store.content_bytes(&scope, &sender, "c", 0, true).await;
        assert_eq!(bytes.unwrap(), b"abcdef");
    });
}

#[test]
fn what_is_due_is_read_in_its_order_and_what_holds_is_found_by_its_patient() {
    on_each_database(async |ground: &Ground| {
        if !ground.is_sqlite() {
            return;
        }
        let store = ground.open().await;
        let due = super::work::due("A81001", false, 10).text().to_string();
        let due: &'static str = Box::leak(due.into_boxed_str());
        let sql = crate::sql::Sql::new(due)
            .with("A81001")
            .with(false)
            .with(10_i64);
        let rows = store
            .rows_apart(sql.explained("EXPLAIN QUERY PLAN "))
            .await
            .unwrap();
        let plan: Vec<_> = rows
            .iter()
            .map(|row| row.text(3).unwrap().to_string())
            .collect();
        let plan = plan.join("; ");
        assert!(plan.contains("SEARCH p USING INDEX parcel_due"), "{plan}");
        assert!(
            plan.contains("SEARCH b USING INDEX parcel_holds (holds=?"),
            "{plan}"
        );
        assert!(
            !plan.contains("TEMP B-TREE") && !plan.contains("SCAN"),
            "{plan}"
        );
        store.close().await;
    });
}
