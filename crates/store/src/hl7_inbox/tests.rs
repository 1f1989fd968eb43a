use access::{Caller, Interaction, Ods, Purpose, Role, Scope, SystemPurpose, Who};
use fhir::problem::Kind;

use super::*;
use crate::testing::on_each_database;
use crate::{Done, Effect, Job, Store};

fn nobody(_: &[u8]) -> Vec<String> {
    Vec::new()
}

fn scope() -> Scope {
    Scope::system(SystemPurpose::MapMessages)
}

fn message(control_id: &str, body: &str) -> Received {
    Received {
        application: "PAS".into(),
        facility: "RXX01".into(),
        control_id: control_id.into(),
        kind: "ADT^A01".into(),
        body: body.into(),
        verdict: Verdict::Take {
            accepted: format!("AA {body}").into_bytes(),
            conflict: |body, _| [b"AE ", body].concat(),
        },
    }
}

fn refused(control_id: &str, body: &str) -> Received {
    let verdict = Verdict::Refuse {
        answer: "AR",
        ack: b"AR".to_vec(),
        reason: "PID-3 is missing.".into(),
        next_step: "Ask the sender.".into(),
    };
    Received {
        verdict,
        ..message(control_id, body)
    }
}

async fn write(store: &Store, write: Hl7Write) -> Result<Hl7Done, Problem> {
    let committed = store
        .commit(&scope(), Job::effect(Effect::Hl7(write)))
        .await?;
    match committed.done.into_iter().next() {
        Some(Done::Hl7(done)) => Ok(done),
        other => panic!("{other:?}"),
    }
}

async fn keep(store: &Store, received: Received) -> (i64, Kept, Vec<u8>) {
    let write_it = Hl7Write::receive(received);
    let Hl7Write::Receive(keeping) = &write_it else {
        panic!("{write_it:?}");
    };
    let id = keeping.id().to_vec();
    match write(store, write_it).await.unwrap() {
        Hl7Done::Kept {
            number: Some(number),
            kept,
            ack,
        } => (number, kept, ack),
        Hl7Done::Kept { kept, ack, .. } => {
            store.caught_up().await;
            let rows = store.rows(&by_id(&id)).await.unwrap();
            (rows[0].int(0).unwrap(), kept, ack)
        }
        other => panic!("{other:?}"),
    }
}

async fn waiting(store: &Store) -> Vec<i64> {
    let waiting = store
        .hl7_waiting(&scope(), 0, 100, usize::MAX)
        .await
        .unwrap();
    waiting.iter().map(|m| m.number).collect()
}

#[test]
fn the_same_again_has_one_effect_and_the_same_answer() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let first = keep(&store, message("1", "a")).await;
        assert_eq!((first.1, first.2.as_slice()), (Kept::New, &b"AA a"[..]));
        for _ in 0..3 {
            let again = Received {
                verdict: Verdict::Take {
                    accepted: b"later".to_vec(),
                    conflict: |_, _| Vec::new(),
                },
                ..message("1", "a")
            };
            assert_eq!(
                keep(&store, again).await,
                (first.0, Kept::Same, b"AA a".to_vec())
            );
        }
        assert_eq!(waiting(&store).await, [first.0]);
        store.close().await;
        // F13 after a restart: the answer is kept, not made again.
        let store = ground.open().await;
        assert_eq!(keep(&store, message("1", "a")).await.1, Kept::Same);
        store.close().await;
    });
}

#[test]
fn another_body_under_the_same_id_is_quarantined_once() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let first = keep(&store, message("1", "a")).await;
        let other = keep(&store, message("1", "b")).await;
        assert_eq!(
            (other.1, other.2.as_slice()),
            (Kept::Conflict, &b"AE b"[..])
        );
        assert_eq!(keep(&store, message("1", "b")).await, other);
        assert_eq!(waiting(&store).await, [first.0]);
        let list = store.hl7_work_list(&scope(), 0, 10).await.unwrap();
        assert_eq!(list.len(), 1);
        assert_eq!(
            (list[0].state.as_str(), list[0].answer.as_str()),
            ("quarantined", "AE")
        );
        write(&store, Hl7Write::Replay { number: other.0 })
            .await
            .unwrap();
        assert_eq!(waiting(&store).await, [first.0, other.0]);
        assert!(
            store
                .hl7_work_list(&scope(), 0, 10)
                .await
                .unwrap()
                .is_empty()
        );
        store.close().await;
    });
}

#[test]
fn a_refused_message_is_kept_and_does_not_block_its_mended_form() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let (number, kept, _) = keep(&store, refused("1", "broken")).await;
        assert_eq!(kept, Kept::Refused);
        assert_eq!(keep(&store, refused("1", "broken")).await.0, number);
        assert_eq!(keep(&store, message("1", "mended")).await.1, Kept::New);
        let list = store.hl7_work_list(&scope(), 0, 10).await.unwrap();
        assert_eq!(
            (list[0].state.as_str(), list[0].reason.as_str()),
            ("refused", "PID-3 is missing.")
        );
        let raw = store.hl7_message(&scope(), number, nobody).await.unwrap();
        assert_eq!(
            (raw.body.as_slice(), raw.ack.as_slice()),
            (&b"broken"[..], &b"AR"[..])
        );
        write(&store, Hl7Write::Settled { number }).await.unwrap();
        assert!(
            store
                .hl7_work_list(&scope(), 0, 10)
                .await
                .unwrap()
                .is_empty()
        );
        store.close().await;
    });
}

#[test]
fn a_message_is_mapped_once() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let number = keep(&store, message("1", "a")).await.0;
        write(&store, Hl7Write::Mapped { number, note: None })
            .await
            .unwrap();
        let again = write(&store, Hl7Write::Mapped { number, note: None })
            .await
            .unwrap_err();
        assert_eq!(again.kind, Kind::Conflict);
        let failed = keep(&store, message("2", "b")).await.0;
        let note = WorkNote {
            reason: "No PID.".into(),
            next_step: "Ask.".into(),
        };
        write(
            &store,
            Hl7Write::Failed {
                number: failed,
                note,
            },
        )
        .await
        .unwrap();
        assert!(waiting(&store).await.is_empty());
        assert_eq!(store.hl7_counts(&scope()).await.unwrap(), (0, 1));
        let gone = write(&store, Hl7Write::Replay { number: 99 })
            .await
            .unwrap_err();
        assert_eq!(gone.kind, Kind::NotFound);
        store.close().await;
    });
}

#[test]
fn only_the_bodies_that_fit_are_loaded() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        for n in 0..5 {
            keep(&store, message(&n.to_string(), &"x".repeat(1000))).await;
        }
        let some = store.hl7_waiting(&scope(), 0, 100, 2500).await.unwrap();
        assert_eq!(some.len(), 2);
        let rest = store
            .hl7_waiting(&scope(), some[1].number, 100, 10)
            .await
            .unwrap();
        assert_eq!(rest.len(), 1);
        store.close().await;
    });
}

#[test]
fn people_see_only_messages_on_the_work_list() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let caller = Caller {
            who: Who::Staff {
                account: 1,
                name: "Ann Secretary".into(),
                role: Role::Clerk,
                organisation: Ods::parse("A81001").unwrap(),
            },
            request_id: "r".into(),
            granted: None,
            acting: None,
        };
        let (item, purpose) = (Interaction::Item, Purpose::DirectCare);
        let clerk = access::decide(&caller, item, "", purpose, store.now()).unwrap();
        let taken = keep(&store, message("1", "a")).await.0;
        let stuck = keep(&store, refused("2", "broken")).await.0;
        let hidden = store.hl7_message(&clerk, taken, nobody).await.unwrap_err();
        assert_eq!(hidden.kind, Kind::NotFound);
        assert!(store.hl7_message(&clerk, stuck, nobody).await.is_ok());
        assert!(store.hl7_message(&scope(), taken, nobody).await.is_ok());
        store.close().await;
    });
}
