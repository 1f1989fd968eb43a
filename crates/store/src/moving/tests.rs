//! Rows of moves, on each database.

use access::{Scope, SystemPurpose};
use fhir::json::{Limits, parse};
use fhir::problem::{Kind, Problem};

use super::{Move, MoveState, MoveWrite};
use crate::pds::{PdsWrite, TraceState};
use crate::resources::{Prepared, Release};
use crate::store::Store;
use crate::testing::on_each_database;
use crate::write::{Change, Effect, Expect, Job};

fn work() -> Scope {
    Scope::system(SystemPurpose::MovePatients)
}

fn row(id: &str, inward: bool, state: MoveState) -> Move {
    Move {
        id: id.into(),
        inward,
        patient: "una".into(),
        other: "A81002".into(),
        state,
        registered_at: 5,
        state_at: 5,
        reason: String::new(),
        hops: 0,
        parts: -1,
        here: 0,
        facts: String::new(),
        proof: Vec::new(),
    }
}

async fn write(store: &Store, write: MoveWrite) -> Result<(), Problem> {
    let job = Job::effect(Effect::Move(write));
    store.commit(&work(), job).await.map(|_| ())
}

async fn begin(store: &Store, row: Move) -> Result<(), Problem> {
    let row = Box::new(row);
    write(store, MoveWrite::Begin { row, told: None }).await
}

async fn state(store: &Store, id: &str) -> MoveState {
    let found = store.patient_move(&work(), id).await.unwrap();
    found.unwrap().state
}

async fn named(store: &Store, practice: &str) {
    let text =
        serde_json::json!({ "resourceType": "Patient", "generalPractitioner": [{ "identifier": {
        "system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": practice } }] })
        .to_string();
    let json = parse(text.as_bytes(), &Limits::default()).unwrap();
    let change = Change::Put {
        resource: Prepared::new(&json, "una", store.organisation()).unwrap(),
        expect: Expect::Anything,
        release: Release::Keep,
    };
    store.commit(&work(), Job::change(change)).await.unwrap();
}

#[test]
fn a_move_is_done_once_each_piece_is_here_however_often_and_in_whatever_order_they_come() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        begin(&store, row("m", true, MoveState::Asked))
            .await
            .unwrap();
        assert!(store.is_moving_here("una").await.unwrap());
        let piece = |part| MoveWrite::Part {
            id: "m".into(),
            part,
        };
        write(&store, piece(2)).await.unwrap();
        write(&store, piece(2)).await.unwrap();
        assert_eq!(state(&store, "m").await, MoveState::Asked);
        let arrive = || MoveWrite::Arrive {
            id: "m".into(),
            parts: 2,
            facts: "{}".into(),
            proof: vec!["a".into(), "b".into()],
            holders: vec!["RZZ01".into()],
        };
        write(&store, arrive()).await.unwrap();
        assert_eq!(state(&store, "m").await, MoveState::Arriving);
        assert!(!store.is_moving_here("una").await.unwrap());
        let again = write(&store, arrive()).await.unwrap_err();
        assert_eq!(again.kind, Kind::Conflict);
        write(&store, piece(1)).await.unwrap();
        assert_eq!(state(&store, "m").await, MoveState::Done);
        assert_eq!(store.move_proof(&work(), "una").await.unwrap(), ["a", "b"]);
        let holders = store.holders(&work(), "una").await.unwrap();
        assert_eq!(holders[0].as_str(), "RZZ01");
        store.close().await;
    });
}

#[test]
fn a_record_is_given_once_and_not_under_what_the_patient_has_changed_since() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        begin(&store, row("m", false, MoveState::Claimed))
            .await
            .unwrap();
        let second = begin(&store, row("n", false, MoveState::Claimed)).await;
        assert_eq!(second.unwrap_err().kind, Kind::Conflict);
        let give = |sharing_version| MoveWrite::Give {
            id: "m".into(),
            was: MoveState::Claimed,
            sharing_version,
            facts: "{}".into(),
        };
        let stale = write(&store, give(1)).await.unwrap_err();
        assert_eq!(stale.kind, Kind::Conflict);
        write(&store, give(0)).await.unwrap();
        assert_eq!(
            write(&store, give(0)).await.unwrap_err().kind,
            Kind::Conflict
        );
        assert_eq!(state(&store, "m").await, MoveState::Given);
        store.close().await;
    });
}

#[test]
fn a_record_that_names_this_practice_after_another_one_closes_until_that_one_has_answered() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let own = store.organisation().to_string();
        named(&store, &own).await;
        assert!(!store.is_moving_here("una").await.unwrap());
        named(&store, "A81002").await;
        assert_eq!(store.moved_to("una").await.unwrap(), None);
        named(&store, &own).await;
        named(&store, &own).await;
        let noticed = store
            .moves_in(&work(), MoveState::Noticed, 10)
            .await
            .unwrap();
        assert_eq!(noticed.len(), 1, "{noticed:?}");
        assert_eq!(
            (noticed[0].other.as_str(), noticed[0].inward),
            ("A81002", true)
        );
        assert!(store.is_moving_here("una").await.unwrap());
        store.close().await;
    });
}

#[test]
fn whom_pds_names_another_practice_for_is_listed_until_a_move_of_theirs_is_under_way() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let own = store.organisation().to_string();
        let says = async |practice: &str, state: TraceState| {
            for write in [
                PdsWrite::Noted {
                    patients: vec![("una".into(), practice.into())],
                    upto: (1, 1),
                },
                PdsWrite::Answered {
                    patient: "una".into(),
                    identity: practice.into(),
                    state,
                    reason: String::new(),
                    said: Some("{}".into()),
                    practice: practice.into(),
                },
            ] {
                let job = Job::effect(Effect::Pds(write));
                store.commit(&work(), job).await.unwrap();
            }
        };
        let listed = async || {
            let found = store.moved_says_pds(&work(), 10).await.unwrap();
            let both = |it: super::MovedSaysPds| (it.from, it.to);
            found.into_iter().map(both).collect::<Vec<_>>()
        };
        named(&store, "A81002").await;
        says("A81002", TraceState::Matched).await;
        assert!(listed().await.is_empty(), "both say the same");
        says("A81003", TraceState::Matched).await;
        assert!(listed().await.is_empty(), "it is between two others");
        says(&own, TraceState::Differs).await;
        assert!(listed().await.is_empty(), "it may be somebody else's");
        store
            .commit(
                &work(),
                Job::effect(Effect::Pds(PdsWrite::Again {
                    patient: "una".into(),
                })),
            )
            .await
            .unwrap();
        says("A81009", TraceState::Matched).await;
        says(&own, TraceState::Matched).await;
        assert_eq!(listed().await, [("A81002".to_owned(), own.clone())]);
        named(&store, &own).await;
        assert!(listed().await.is_empty(), "the practice before is asked");
        store.close().await;
    });
}

#[test]
fn somebody_who_is_registered_here_and_elsewhere_says_pds_is_listed() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let own = store.organisation().to_string();
        named(&store, &own).await;
        for write in [
            PdsWrite::Noted {
                patients: vec![("una".into(), "i".into())],
                upto: (1, 1),
            },
            PdsWrite::Answered {
                patient: "una".into(),
                identity: "i".into(),
                state: TraceState::Matched,
                reason: String::new(),
                said: Some("{}".into()),
                practice: "A81002".into(),
            },
        ] {
            let job = Job::effect(Effect::Pds(write));
            store.commit(&work(), job).await.unwrap();
        }
        let found = store.moved_says_pds(&work(), 10).await.unwrap();
        assert_eq!((found.len(), found[0].to.as_str()), (1, "A81002"));
        begin(&store, row("m", false, MoveState::Claimed))
            .await
            .unwrap();
        let found = store.moved_says_pds(&work(), 10).await.unwrap();
        assert!(found.is_empty(), "it has asked");
        store.close().await;
    });
}
