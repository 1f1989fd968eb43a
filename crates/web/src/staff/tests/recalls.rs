//! A letter that left by fax and was called back: it stays what it is, and the work list says whom to ring.

use access::{Ods, Scope, SystemPurpose};
use http::StatusCode;
use store::fax::{Asker, FaxDone, FaxWrite};
use store::parcels::{Kind, Named, Outgoing, Parcel, ParcelWrite};
use store::testing::on_each_database;
use store::{Done, Effect, Job, Store};

use crate::testing::{Browser, letters, node};

const NUMBER: &str = "+441134960001";

async fn fax(store: &Store, write: FaxWrite) -> FaxDone {
    let scope = Scope::system(SystemPurpose::KeepFaxes);
    let job = Job::effect(Effect::Fax(write));
    match store.commit(&scope, job).await.unwrap().done.remove(0) {
        Done::Fax(done) => done,
        other => panic!("{other:?}"),
    }
}

/// A letter that the fax server has; its parcel.
async fn faxed(store: &Store) -> i64 {
    let by = |account| Asker {
        account,
        who: format!("Person {account}"),
    };
    let propose = FaxWrite::Propose {
        number: NUMBER.into(),
        ods: "FZZ98".into(),
        name: "Northfield".into(),
        by: by(1),
    };
    fax(store, propose).await;
    let number = NUMBER.to_owned();
    fax(store, FaxWrite::Confirm { number, by: by(2) }).await;
    let parcel = Parcel {
        kind: Kind::Fax,
        sender: store.organisation().clone(),
        recipient: Ods::parse("FZZ98").unwrap(),
        id: "faxed".into(),
        text: "faxed".into(),
        digest: "faxed".into(),
        title: "Discharge summary".into(),
        author: String::new(),
        urgent: false,
        marked: false,
        unique_id: String::new(),
        replaces: None,
        named: Named::default(),
        parts: Vec::new(),
    };
    let queue = FaxWrite::Queue(Box::new(Outgoing {
        parcel,
        patient: "jane".into(),
        document: "sent".into(),
        contents: Vec::new(),
    }));
    let FaxDone::Queued { pid, .. } = fax(store, queue).await else {
        panic!("not queued")
    };
    let keeping = Scope::system(SystemPurpose::KeepFaxes);
    let number = store.faxes_to_send(&keeping, 9).await.unwrap()[0].number;
    let handing = FaxWrite::Handing {
        number,
        dialled: NUMBER.into(),
        holder: "h".into(),
        tag: "t".into(),
    };
    fax(store, handing).await;
    let job = "77".to_owned();
    fax(store, FaxWrite::Handed { number, job }).await;
    pid
}

async fn call_back(store: &Store) {
    let write = ParcelWrite::CancelDocument {
        document: "sent".into(),
        reason: "The discharge was cancelled.".into(),
    };
    let scope = Scope::system(SystemPurpose::MapMessages);
    let job = Job::effect(Effect::Parcel(write));
    store.commit(&scope, job).await.unwrap();
}

#[test]
fn a_letter_that_was_called_back_after_it_left_stands_on_the_work_list_until_they_were_told() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        letters::patient(&node.store).await;
        let pid = faxed(&node.store).await;
        call_back(&node.store).await;
        let mut ann = Browser::new(&node);
        ann.sign_in("/staff/login", "ann").await;
        let list = ann.get("/staff/worklist").await.text;
        for said in [
            "Work list (1)",
            "Letters to ring about",
            "to FZZ98",
            "0113 496 0001",
            "The discharge was cancelled.",
            "Ring FZZ98",
            "They were told",
        ] {
            assert!(list.contains(said), "{said}: {list}");
        }
        let board = ann.get("/staff/sent").await.text;
        assert!(!board.contains("Withdrawn"), "{board}");
        assert!(board.contains("Called back"), "{board}");
        // Who runs the node sees it, and cannot say that anybody was told.
        let told = format!("/staff/worklist/recalls/{pid}/rung");
        let mut ed = Browser::new(&node);
        ed.sign_in("/staff/login", "ed").await;
        let seen = ed.get("/staff/worklist").await.text;
        assert!(seen.contains("Letters to ring about") && !seen.contains("They were told"));
        let refused = ed.post(&told, &[]).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        ann.get("/staff/worklist").await;
        let done = ann.post(&told, &[]).await;
        assert_eq!(done.location(), "/staff/worklist?done=rung");
        let list = ann.get(done.location()).await.text;
        assert!(!list.contains("Work list ("), "{list}");
        let letter = ann.get(&format!("/staff/sent/{pid}")).await.text;
        for said in ["Called back", "The receiver was told that it does not hold"] {
            assert!(letter.contains(said), "{said}: {letter}");
        }
    });
}
