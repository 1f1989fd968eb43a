use access::{Scope, SystemPurpose};
use fhir::problem::Kind;

use super::*;
use crate::testing::on_each_database;
use crate::{Done, Effect, Job, Store};

const DAY: i64 = 86_400_000;

fn of(mailbox: &str) -> Scope {
    Scope::mailbox(mailbox, "A81001", "request".into())
}

fn worker() -> Scope {
    Scope::system(SystemPurpose::CarryMail)
}

async fn write(store: &Store, write: MeshWrite) -> Result<MeshDone, Problem> {
    let job = Job::effect(Effect::Mesh(write));
    let committed = store.commit(&worker(), job).await?;
    match committed.done.into_iter().next() {
        Some(Done::Mesh(done)) => Ok(done),
        other => panic!("{other:?}"),
    }
}

/// A chunk whose bytes are there; its digest is made up of its name.
async fn stored(store: &Store, upload: &str, bytes: &[u8]) -> Stored {
    let pieces = MeshWrite::Pieces {
        upload: upload.into(),
        first: 0,
        bytes: Arc::new(bytes.to_vec()),
    };
    write(store, pieces).await.unwrap();
    Stored {
        upload: upload.into(),
        size: bytes.len() as u64,
        plain: bytes.len() as u64,
        sha256: format!("{bytes:?}"),
    }
}

fn sending(id: &str, local_id: &str, chunks: u32, first: Stored) -> Sending {
    Sending {
        id: id.into(),
        sender: "LAB".into(),
        recipient: "WARD".into(),
        local_id: local_id.into(),
        workflow: "W".into(),
        envelope: r#"{"mex-subject":"A letter"}"#.into(),
        encoding: String::new(),
        chunks,
        way: Way::Here,
        organisation: "A81001".into(),
        first,
    }
}

async fn send(
    store: &Store,
    id: &str,
    local_id: &str,
    chunks: u32,
    bytes: &[u8],
) -> (String, bool) {
    let first = stored(store, &format!("u-{id}"), bytes).await;
    let accept = MeshWrite::Accept(Box::new(sending(id, local_id, chunks, first)));
    match write(store, accept).await.unwrap() {
        MeshDone::Taken { id, known } => (id, known),
        other => panic!("{other:?}"),
    }
}

async fn inbox(store: &Store, mailbox: &str) -> Vec<Message> {
    store.mesh_inbox(&of(mailbox), 0, 100).await.unwrap()
}

async fn sweep(store: &Store) {
    for _ in 0..10 {
        if write(store, MeshWrite::Sweep).await.unwrap() == MeshDone::Rows(0) {
            return;
        }
    }
    panic!("a sweep does not end");
}

#[test]
fn a_token_serves_once_also_after_a_restart_and_again_if_it_is_given_back() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let until = store.now() + 1000;
        let token = || MeshWrite::Token {
            mailbox: "LAB".into(),
            token: "n:0".into(),
            until,
        };
        write(&store, token()).await.unwrap();
        store.close().await;
        let store = ground.open().await;
        let again = write(&store, token()).await.unwrap_err();
        assert_eq!(again.kind, Kind::Security);
        // What its time does not refuse yet is remembered through every sweep.
        sweep(&store).await;
        assert!(write(&store, token()).await.is_err());
        let free = MeshWrite::FreeToken {
            mailbox: "LAB".into(),
            token: "n:0".into(),
        };
        write(&store, free).await.unwrap();
        write(&store, token()).await.unwrap();
        store.close().await;
    });
}

#[test]
fn the_same_message_under_one_local_id_is_known_and_another_is_not() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        assert_eq!(
            send(&store, "A1", "L-1", 1, b"a").await,
            ("A1".into(), false)
        );
        assert_eq!(
            send(&store, "A2", "L-1", 1, b"a").await,
            ("A1".into(), true)
        );
        assert_eq!(
            send(&store, "A3", "L-1", 1, b"b").await,
            ("A3".into(), false)
        );
        assert_eq!(send(&store, "A4", "", 1, b"a").await, ("A4".into(), false));
        ground.clock().advance(DAY + 1);
        assert_eq!(
            send(&store, "A5", "L-1", 1, b"a").await,
            ("A5".into(), false)
        );
        assert_eq!(inbox(&store, "WARD").await.len(), 4);
        // The bytes of the one that was known are gone.
        assert_eq!(
            store.mesh_piece(&of("LAB"), "u-A2", -1).await.unwrap(),
            None
        );
        assert_eq!(
            store.mesh_sent_as(&of("LAB"), "L-1").await.unwrap().len(),
            2
        );
        store.close().await;
    });
}

#[test]
fn a_message_is_there_when_its_last_chunk_is_and_takes_none_after_that() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        send(&store, "A1", "", 2, b"first").await;
        assert_eq!(inbox(&store, "WARD").await, []);
        let number = store.mesh_message(&of("LAB"), "A1").await.unwrap().number;
        let chunk = async |upload: &str, bytes: &[u8], bytes_max| {
            let stored = stored(&store, upload, bytes).await;
            let chunk = MeshWrite::Chunk {
                number,
                chunk: 2,
                stored,
                bytes_max,
            };
            write(&store, chunk).await
        };
        let long = chunk("u-1", b"far too long", 10).await.unwrap_err();
        assert_eq!(long.kind, Kind::TooLong);
        assert_eq!(
            chunk("u-2", b"last", 10).await.unwrap(),
            MeshDone::Whole(true)
        );
        let late = chunk("u-3", b"later", 10).await.unwrap_err();
        assert_eq!(late.kind, Kind::LockError);
        let message = inbox(&store, "WARD").await.pop().unwrap();
        let second = store
            .mesh_chunk(&of("WARD"), &message, 2)
            .await
            .unwrap()
            .unwrap();
        let piece = store
            .mesh_piece(&of("WARD"), &second.upload, -1)
            .await
            .unwrap();
        assert_eq!(piece, Some((0, b"last".to_vec())));
        assert_eq!(store.mesh_size(&of("WARD"), &message).await.unwrap(), 9);
        store.close().await;
    });
}

#[test]
fn a_mailbox_reaches_its_own_messages_and_nothing_else() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        send(&store, "A1", "L-1", 1, b"a").await;
        let message = store.mesh_message(&of("WARD"), "A1").await.unwrap();
        let other = of("OTHER");
        let refused = |problem: Problem| problem.kind;
        let found = store.mesh_message(&other, "A1").await.map_err(refused);
        assert_eq!(found, Err(Kind::Forbidden));
        let found = store.mesh_message(&other, "A9").await.map_err(refused);
        assert_eq!(found, Err(Kind::NotFound));
        let found = store.mesh_chunk(&other, &message, 1).await.map_err(refused);
        assert_eq!(found, Err(Kind::Forbidden));
        assert_eq!(inbox(&store, "OTHER").await, []);
        assert_eq!(store.mesh_sent_as(&other, "L-1").await.unwrap(), []);
        // No resource, no list of others' messages, no audit log.
        assert!(!other.may_look() && !other.may_change() && !other.may_audit());
        assert!(store.mesh_failed(&other, 10).await.is_err());
        assert!(store.mesh_to_hand(&other, Way::Member, 1).await.is_err());
        store.close().await;
    });
}

#[test]
fn what_nobody_collects_in_five_days_is_reported_and_content_goes_after_thirty() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        send(&store, "A1", "L-1", 1, b"a").await;
        send(&store, "A2", "L-2", 1, b"b").await;
        let number = |id: &'static str| async {
            let of_it = store.mesh_message(&of("WARD"), id).await;
            of_it.unwrap().number
        };
        let acknowledge = MeshWrite::Acknowledge {
            number: number("A2").await,
        };
        assert_eq!(write(&store, acknowledge).await.unwrap(), MeshDone::Rows(1));
        let again = MeshWrite::Acknowledge {
            number: number("A2").await,
        };
        assert_eq!(write(&store, again).await.unwrap(), MeshDone::Rows(0));
        ground.clock().advance(COLLECT_MILLIS);
        sweep(&store).await;
        assert_eq!(inbox(&store, "LAB").await, []);
        ground.clock().advance(1);
        sweep(&store).await;
        sweep(&store).await;
        let reports = inbox(&store, "LAB").await;
        let [report] = reports.as_slice() else {
            panic!("{reports:?}");
        };
        assert!(report.is_report && report.sender.is_empty());
        assert_eq!(
            (report.linked.as_str(), report.status_code.as_str()),
            ("A1", "14")
        );
        assert_eq!((report.local_id.as_str(), report.chunks), ("L-1", 0));
        assert!(report.envelope.contains("NDR: A letter"));
        assert_eq!(inbox(&store, "WARD").await, []);
        let failed = store.mesh_failed(&worker(), 10).await.unwrap();
        assert_eq!(failed.len(), 1);
        assert_eq!(failed[0].state, MeshState::Undeliverable);
        let standing = store.mesh_standing(&worker()).await.unwrap();
        let lab = standing.iter().find(|it| it.mailbox == "LAB").unwrap();
        assert_eq!((lab.waiting, lab.under_way, lab.failed), (1, 0, 1));
        let kept = async || store.mesh_message(&of("WARD"), "A2").await.unwrap().kept;
        assert!(kept().await);
        ground.clock().advance(KEEP_MILLIS - COLLECT_MILLIS);
        sweep(&store).await;
        assert!(!kept().await);
        assert_eq!(
            store.mesh_piece(&of("WARD"), "u-A2", -1).await.unwrap(),
            None
        );
        store.close().await;
    });
}

#[test]
fn what_was_begun_and_never_finished_is_dropped() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        stored(&store, "u-1", b"bytes of nobody").await;
        send(&store, "A1", "", 2, b"half").await;
        sweep(&store).await;
        assert!(
            store
                .mesh_piece(&worker(), "u-1", -1)
                .await
                .unwrap()
                .is_some()
        );
        ground.clock().advance(DAY + 1);
        sweep(&store).await;
        assert_eq!(store.mesh_piece(&worker(), "u-1", -1).await.unwrap(), None);
        ground.clock().advance(COLLECT_MILLIS);
        sweep(&store).await;
        let half = store.mesh_message(&of("LAB"), "A1").await.unwrap();
        assert_eq!((half.state, half.kept), (MeshState::Undeliverable, false));
        store.close().await;
    });
}

#[test]
fn a_message_from_a_member_is_there_when_all_its_parts_are_in_whatever_order() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let part = |part: u32, chunk: u32, bytes: &[u8]| {
            MeshWrite::Arrived(Box::new(Arrived {
                organisation: "RZZ01".into(),
                id: "M1".into(),
                sender: "LAB".into(),
                recipient: "WARD".into(),
                local_id: String::new(),
                workflow: "W".into(),
                envelope: "{}".into(),
                encoding: String::new(),
                chunks: 2,
                parts: 3,
                part,
                chunk,
                plain: 6,
                bytes: bytes.to_vec(),
            }))
        };
        let not_yet = MeshDone::Whole(false);
        assert_eq!(write(&store, part(2, 1, b"def")).await.unwrap(), not_yet);
        assert_eq!(write(&store, part(3, 2, b"second")).await.unwrap(), not_yet);
        // Again: no effect.
        assert_eq!(write(&store, part(3, 2, b"second")).await.unwrap(), not_yet);
        assert_eq!(inbox(&store, "WARD").await, []);
        assert_eq!(
            write(&store, part(1, 1, b"abc")).await.unwrap(),
            MeshDone::Whole(true)
        );
        let message = inbox(&store, "WARD").await.pop().unwrap();
        let first = store
            .mesh_chunk(&of("WARD"), &message, 1)
            .await
            .unwrap()
            .unwrap();
        let mut bytes = Vec::new();
        let mut after = -1;
        while let Some((part, piece)) = store
            .mesh_piece(&of("WARD"), &first.upload, after)
            .await
            .unwrap()
        {
            bytes.extend(piece);
            after = part;
        }
        assert_eq!(bytes, b"abcdef");
        assert_eq!((first.size, first.plain), (6, 6));
        // Another organisation cannot add to it, or stand in its place.
        let MeshWrite::Arrived(mut forged) = part(1, 1, b"abc") else {
            panic!("no part");
        };
        forged.organisation = "FZZ01".into();
        let refused = write(&store, MeshWrite::Arrived(forged)).await.unwrap_err();
        assert_eq!(refused.kind, Kind::BusinessRule);
        store.close().await;
    });
}

#[test]
fn what_did_not_get_out_waits_behind_what_was_not_tried_and_is_given_up_with_its_reason() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let mut numbers = Vec::new();
        for id in ["A1", "A2"] {
            let first = stored(&store, &format!("u-{id}"), b"a").await;
            let mut out = sending(id, id, 1, first);
            out.way = Way::National;
            write(&store, MeshWrite::Accept(Box::new(out)))
                .await
                .unwrap();
            numbers.push(store.mesh_message(&of("LAB"), id).await.unwrap().number);
        }
        let due = async || {
            let found = store.mesh_to_hand(&worker(), Way::National, 9).await;
            let ids = found.unwrap().into_iter().map(|it| it.message.id);
            ids.collect::<Vec<String>>()
        };
        let put_off = MeshWrite::PutOff {
            number: numbers[0],
            until: store.now() + 1000,
            reason: "It answered 500.".into(),
        };
        write(&store, put_off).await.unwrap();
        assert_eq!(due().await, ["A2"]);
        ground.clock().advance(1000);
        assert_eq!(due().await, ["A2", "A1"]);
        ground.clock().advance(COLLECT_MILLIS);
        sweep(&store).await;
        let reports = inbox(&store, "LAB").await;
        let told: Vec<&str> = reports.iter().map(|it| it.reason.as_str()).collect();
        assert_eq!(
            told,
            [
                "The national service did not take the message in 5 days. It answered 500.",
                "The national service did not take the message in 5 days",
            ]
        );
        store.close().await;
    });
}

#[test]
fn messages_that_the_national_service_has_are_listed_one_behind_the_other() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        for id in ["A1", "A2"] {
            let first = stored(&store, &format!("u-{id}"), b"a").await;
            let mut out = sending(id, id, 1, first);
            out.way = Way::National;
            write(&store, MeshWrite::Accept(Box::new(out)))
                .await
                .unwrap();
            let sent = MeshWrite::Sent {
                number: store.mesh_message(&of("LAB"), id).await.unwrap().number,
                outside: format!("OUT-{id}"),
            };
            write(&store, sent).await.unwrap();
        }
        let mut after = 0;
        for id in ["A1", "A2"] {
            let found = store.mesh_outside(&worker(), after, 1).await.unwrap();
            assert_eq!(found[0].id, id);
            after = found[0].number;
        }
        assert_eq!(store.mesh_outside(&worker(), after, 1).await.unwrap(), []);
        store.close().await;
    });
}

#[test]
fn what_is_not_packed_as_it_says_is_given_to_nobody_and_stays_before_a_person() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let came = FromOutside {
            id: "N1".into(),
            sender: "THERE".into(),
            recipient: String::new(),
            local_id: String::new(),
            workflow: "W".into(),
            is_report: false,
            envelope: "{}".into(),
            chunks: vec![stored(&store, "u-1", b"as it came").await],
            linked: String::new(),
            status_code: String::new(),
            reason: String::new(),
            spoilt: "It cannot be unpacked.".into(),
        };
        let take = MeshWrite::FromOutside(Box::new(came));
        write(&store, take).await.unwrap();
        let nobodys = store.mesh_nobodys(&worker(), 0, 9).await.unwrap();
        assert_eq!(nobodys.len(), 1);
        // Whose it is does not make it whole.
        let claim = MeshWrite::Claim {
            number: nobodys[0].number,
            mailbox: "WARD".into(),
        };
        assert_eq!(write(&store, claim).await.unwrap(), MeshDone::Rows(1));
        assert_eq!(store.mesh_nobodys(&worker(), 0, 9).await.unwrap(), []);
        assert_eq!(inbox(&store, "WARD").await, []);
        let failed = store.mesh_failed(&worker(), 9).await.unwrap();
        assert_eq!(failed[0].recipient, "WARD");
        assert_eq!(failed[0].reason, "It cannot be unpacked.");
        let known = store.mesh_collected(&worker(), "N1").await.unwrap();
        assert!(known.is_some_and(|it| it.spoilt && it.kept));
        assert_eq!(store.mesh_collected(&worker(), "N2").await.unwrap(), None);
        store.close().await;
    });
}
