//! Letters that their own system calls back after MESH had them.

use store::parcels::ParcelWrite;

use super::*;

async fn call_back(worker: &Itk3) {
    let cancel = ParcelWrite::CancelDocument {
        document: "letter-1".into(),
        reason: "The discharge was cancelled.".into(),
    };
    let job = Job::effect(Effect::Parcel(cancel));
    worker.store.commit(&worker.scope, job).await.unwrap();
}

#[test]
fn a_letter_that_mesh_has_stays_as_it_is_when_it_is_called_back_and_somebody_is_to_ring() {
    on_each_database(async |ground: &Ground| {
        let store = ground.open().await;
        let worker = worker(&store, ground.clock());
        let pid = handed(&worker).await;
        call_back(&worker).await;
        assert_eq!(state(&worker, pid).await, (State::Waiting, "handed".into()));
        let recalls = store.recalls(&worker.scope, 9).await.unwrap();
        let [recall] = recalls.as_slice() else {
            panic!("{recalls:?}")
        };
        assert_eq!((recall.pid, recall.other.as_str()), (pid, PRACTICE));
        assert_eq!(recall.itk3.as_deref(), Some("handed"));
        assert_eq!(recall.mailbox, MAILBOX);
        // Without an answer it is looked at by a person, who cannot send it again.
        ground.clock().advance(25 * HOUR);
        worker.unanswered().await.unwrap();
        let number = stuck(&worker).await[0].number;
        let again = change(&worker, Itk3Write::Again { number, who: ann() }).await;
        assert_eq!(again.unwrap_err().kind, Kind::BusinessRule);
        // Their system has it by now.
        change(&worker, answer("20013")).await.unwrap();
        assert_eq!(
            state(&worker, pid).await,
            (State::Delivered, "received".into())
        );
        let recalls = store.recalls(&worker.scope, 9).await.unwrap();
        assert_eq!(recalls[0].itk3.as_deref(), Some("received"));
        store.rung(&worker.scope, pid).await.unwrap();
        assert!(store.recalls(&worker.scope, 9).await.unwrap().is_empty());
        store.close().await;
    });
}
