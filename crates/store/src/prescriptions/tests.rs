use access::{Scope, SystemPurpose};
use fhir::problem::Kind;

use super::{EpsKind, EpsNew, PrescriptionWrite};
use crate::Store;
use crate::testing::on_each_database;
use crate::write::{Effect, Job};

fn scope() -> Scope {
    Scope::system(SystemPurpose::CarryPrescriptions)
}

async fn put(store: &Store, write: PrescriptionWrite) -> Result<(), Kind> {
    let job = Job::effect(Effect::Prescription(write));
    let done = store.commit(&scope(), job).await;
    done.map(|_| ()).map_err(|problem| problem.kind)
}

fn new(key: &str, kind: EpsKind, subject: &str) -> PrescriptionWrite {
    PrescriptionWrite::Queue(Box::new(EpsNew {
        key: key.into(),
        kind,
        subject: subject.into(),
        patient: "p".into(),
        tasks: vec!["t1".into(), "t2".into()],
        draft: format!("draft of {key}"),
    }))
}

#[test]
fn a_message_is_sent_as_it_was_signed_and_what_follows_waits_behind_it() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        for write in [
            new("a", EpsKind::Order, "N1"),
            new("a", EpsKind::Order, "N1"),
            new("b", EpsKind::Notification, "N1"),
            new("c", EpsKind::Notification, "N2"),
            new("d", EpsKind::Release, ""),
        ] {
            put(&store, write).await.unwrap();
        }
        let waiting = store.eps_waiting(&scope(), None, 10).await.unwrap();
        let keys: Vec<&str> = waiting.iter().map(|it| it.key.as_str()).collect();
        assert_eq!(keys, ["a", "c"], "one of each prescription, no release");
        let (first, other) = (&waiting[0], &waiting[1]);
        assert_eq!(first.payload, "", "not yet signed");
        assert_eq!(other.payload, "draft of c");
        assert_eq!(first.tasks, ["t1", "t2"]);
        let number = first.number;
        let payload = |text: &str| PrescriptionWrite::Signed {
            number,
            payload: text.into(),
        };
        put(&store, payload("signed")).await.unwrap();
        assert_eq!(put(&store, payload("anew")).await, Err(Kind::Conflict));
        let later = PrescriptionWrite::Later {
            number,
            next_try: 7,
            reason: "504".into(),
        };
        put(&store, later).await.unwrap();
        let again = store.eps_waiting(&scope(), None, 10).await.unwrap();
        assert_eq!(again[0].payload, "signed", "the same bytes");
        assert_eq!((again[0].tries, again[0].next_try), (1, 7));
        put(&store, PrescriptionWrite::Sent { number })
            .await
            .unwrap();
        let next = store.eps_waiting(&scope(), None, 10).await.unwrap();
        assert_eq!(next[0].key, "b", "now it is its turn");
        let release = store
            .eps_waiting(&scope(), Some(EpsKind::Release), 10)
            .await;
        assert_eq!(release.unwrap()[0].key, "d");
    });
}

#[test]
fn what_eps_refuses_stands_on_the_work_list_until_a_person_has_seen_to_it() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        put(&store, new("a", EpsKind::Return, "N1")).await.unwrap();
        put(&store, new("b", EpsKind::Notification, "N1"))
            .await
            .unwrap();
        let number = store.eps_waiting(&scope(), None, 10).await.unwrap()[0].number;
        let refused = || PrescriptionWrite::Refused {
            number,
            reason: "It says no.".into(),
        };
        put(&store, refused()).await.unwrap();
        assert!(
            store
                .eps_waiting(&scope(), None, 10)
                .await
                .unwrap()
                .is_empty()
        );
        let listed = store.eps_work_list(&scope(), 10).await.unwrap();
        assert_eq!(listed.len(), 1);
        assert!(listed[0].refused && listed[0].reason == "It says no.");
        put(&store, PrescriptionWrite::Again { number })
            .await
            .unwrap();
        assert_eq!(
            store.eps_waiting(&scope(), None, 10).await.unwrap().len(),
            1
        );
        put(&store, refused()).await.unwrap();
        put(&store, PrescriptionWrite::Settled { number })
            .await
            .unwrap();
        assert!(store.eps_work_list(&scope(), 10).await.unwrap().is_empty());
        let settled = PrescriptionWrite::Settled { number };
        assert_eq!(put(&store, settled).await, Err(Kind::NotFound));
        let next = store.eps_waiting(&scope(), None, 10).await.unwrap();
        assert_eq!(next[0].key, "b", "settled, so it bars nothing");
    });
}

#[test]
fn the_last_pharmacy_that_was_chosen_counts() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        for pharmacy in ["FZZ01", "FZZ02"] {
            let write = PrescriptionWrite::Nominate {
                patient: "p".into(),
                pharmacy: pharmacy.into(),
                by: "Jane".into(),
            };
            put(&store, write).await.unwrap();
        }
        let chosen = store.nominated_pharmacy(&scope(), "p").await.unwrap();
        assert_eq!(chosen.as_deref(), Some("FZZ02"));
        assert_eq!(store.nominated_pharmacy(&scope(), "q").await.unwrap(), None);
    });
}
