use access::{Scope, SystemPurpose};
use fhir::problem::Kind;

use super::{PdsWrite, TraceState};
use crate::Store;
use crate::testing::on_each_database;
use crate::write::{Effect, Job};

fn scope() -> Scope {
    Scope::system(SystemPurpose::TracePeople)
}

async fn put(store: &Store, write: PdsWrite) -> Result<(), Kind> {
    let done = store
        .commit(&scope(), Job::effect(Effect::Pds(write)))
        .await;
    done.map(|_| ()).map_err(|problem| problem.kind)
}

fn noted(patient: &str, identity: &str) -> PdsWrite {
    PdsWrite::Noted {
        patients: vec![(patient.into(), identity.into())],
        upto: (1, 1),
    }
}

fn answered(identity: &str, state: TraceState, said: Option<&str>) -> PdsWrite {
    PdsWrite::Answered {
        patient: "jane".into(),
        identity: identity.into(),
        state,
        reason: String::new(),
        said: said.map(str::to_string),
        practice: String::new(),
    }
}

#[test]
fn a_patient_is_asked_about_once_until_their_identity_changes_and_an_old_answer_keeps_its_time() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        put(&store, noted("jane", "a")).await.unwrap();
        assert_eq!(store.pds_due(&scope(), 10).await.unwrap().len(), 1);
        // An answer to a question that is not put any more changes nothing.
        put(&store, answered("other", TraceState::Matched, Some("old")))
            .await
            .unwrap();
        assert_eq!(store.pds_due(&scope(), 10).await.unwrap().len(), 1);
        put(&store, answered("a", TraceState::Matched, Some("{}")))
            .await
            .unwrap();
        let first = store.pds_trace(&scope(), "jane").await.unwrap().unwrap();
        assert_eq!(first.state, TraceState::Matched);
        let (said, at) = first.said.unwrap();
        assert_eq!(said, "{}");
        assert!(at > 0);
        put(&store, noted("jane", "a")).await.unwrap();
        assert!(store.pds_due(&scope(), 10).await.unwrap().is_empty());
        put(&store, noted("jane", "b")).await.unwrap();
        assert_eq!(store.pds_due(&scope(), 10).await.unwrap().len(), 1);
        // Nothing came of it: what was said before stays, as old as it is.
        put(&store, answered("b", TraceState::Unknown, None))
            .await
            .unwrap();
        let now = store.pds_trace(&scope(), "jane").await.unwrap().unwrap();
        assert_eq!(
            (now.state, now.said),
            (TraceState::Unknown, Some((said, at)))
        );
        let list = store.pds_work_list(&scope(), 10).await.unwrap();
        assert_eq!(list.len(), 1);
        assert_eq!(list[0].said, None, "the list shows nothing of a person");
        let settled = || PdsWrite::Settled {
            patient: "jane".into(),
        };
        put(&store, settled()).await.unwrap();
        assert_eq!(put(&store, settled()).await, Err(Kind::NotFound));
        assert!(store.pds_work_list(&scope(), 10).await.unwrap().is_empty());
        let again = |patient: &str| PdsWrite::Again {
            patient: patient.into(),
        };
        put(&store, again("jane")).await.unwrap();
        assert_eq!(put(&store, again("nobody")).await, Err(Kind::NotFound));
        let later = PdsWrite::Later {
            patient: "jane".into(),
            next_try: i64::MAX,
            reason: "PDS answered 503.".into(),
        };
        put(&store, later).await.unwrap();
        assert!(store.pds_due(&scope(), 10).await.unwrap().is_empty());
        let stale = PdsWrite::Renew {
            before: i64::MAX,
            count: 10,
        };
        put(&store, stale).await.unwrap();
    });
}
