use access::{Ods, Scope, SystemPurpose};
use fhir::problem::Kind;

use super::*;
use crate::parcels::{
    Action, Kind as ParcelKind, ListFilter, Named, ParcelWrite, PartOf, RECALLED, RUNG, Show, State,
};
use crate::testing::on_each_database;
use crate::{Done, Effect, Job, Store};

fn worker() -> Scope {
    Scope::system(SystemPurpose::KeepFaxes)
}

async fn write(store: &Store, write: FaxWrite) -> Result<FaxDone, Problem> {
    let committed = store
        .commit(&worker(), Job::effect(Effect::Fax(write)))
        .await?;
    match committed.done.into_iter().next() {
        Some(Done::Fax(done)) => Ok(done),
        other => panic!("{other:?}"),
    }
}

fn asker(account: i64) -> Asker {
    Asker {
        account,
        who: format!("Person {account}"),
    }
}

fn note(reason: &str) -> WorkNote {
    WorkNote {
        reason: reason.into(),
        next_step: "Look.".into(),
    }
}

fn new(queue: &str, file: &[u8]) -> FaxWrite {
    FaxWrite::Take(Box::new(NewFax {
        queue: queue.into(),
        caller: "+441134960000".into(),
        station: "NORTHFIELD".into(),
        sha256: crate::parcels::hex(&sha2::Sha256::digest(file)),
        file: file.to_vec(),
        pages: 2,
        trouble: String::new(),
    }))
}

use sha2::Digest as _;

fn letter(id: &str) -> Outgoing {
    let parcel = Parcel {
        kind: ParcelKind::Fax,
        sender: Ods::parse("A81001").unwrap(),
        recipient: Ods::parse("RZZ01").unwrap(),
        id: id.into(),
        text: id.into(),
        digest: id.into(),
        title: "Referral".into(),
        author: String::new(),
        urgent: false,
        marked: false,
        unique_id: id.into(),
        replaces: None,
        named: Named::default(),
        parts: vec![PartOf {
            sha256: "a".repeat(64),
            size: 5,
            content_type: "text/plain".into(),
        }],
    };
    Outgoing {
        parcel,
        patient: String::new(),
        document: String::new(),
        contents: vec![b"Dear.".to_vec()],
    }
}

async fn allow(store: &Store) {
    let propose = FaxWrite::Propose {
        number: "+441134960001".into(),
        ods: "RZZ01".into(),
        name: "Northfield".into(),
        by: asker(1),
    };
    write(store, propose).await.unwrap();
    let number = "+441134960001".to_owned();
    let by = asker(2);
    write(store, FaxWrite::Confirm { number, by })
        .await
        .unwrap();
}

fn handing(number: i64) -> FaxWrite {
    FaxWrite::Handing {
        number,
        dialled: "+441134960001".into(),
        holder: "h".into(),
        tag: "handover-1".into(),
    }
}

#[test]
fn f13_the_same_fax_handed_over_again_is_one_and_its_file_is_as_it_came() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let file = vec![7u8; (1 << 20) + 5];
        let FaxDone::Taken { number, known } = write(&store, new("000123", &file)).await.unwrap()
        else {
            panic!()
        };
        assert!(!known);
        let again = write(&store, new("000123", &file)).await.unwrap();
        assert_eq!(
            again,
            FaxDone::Taken {
                number,
                known: true
            }
        );
        // Another call with the same pages is another fax.
        let other = write(&store, new("000124", &file)).await.unwrap();
        assert_ne!(other, again);
        let scope = worker();
        assert_eq!(store.fax_file(&scope, number).await.unwrap(), file);
        let waiting = store.faxes_in(&scope, InShow::Waiting, 10).await.unwrap();
        assert_eq!(waiting.len(), 2);
        // Set aside with a reason, and taken up again.
        let aside = FaxWrite::SetAside {
            number,
            reason: "An advertisement".into(),
            who: "Ann".into(),
        };
        write(&store, aside.clone()).await.unwrap();
        assert_eq!(write(&store, aside).await.unwrap_err().kind, Kind::Conflict);
        let aside = store.faxes_in(&scope, InShow::SetAside, 10).await.unwrap();
        assert_eq!(
            (aside[0].who.as_str(), aside[0].reason.as_str()),
            ("Ann", "An advertisement")
        );
        let who = "Ann".to_owned();
        write(&store, FaxWrite::TakeUp { number, who })
            .await
            .unwrap();
        // What waits is kept however old it is.
        let before = store.now() + 1;
        write(&store, FaxWrite::Tidy { before }).await.unwrap();
        assert_eq!(store.fax_file(&scope, number).await.unwrap(), file);
        store.close().await;
    });
}

#[test]
fn a_fax_number_takes_two_people_and_whoever_asks_for_its_end_stops_it_at_once() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        write(&store, FaxWrite::Queue(Box::new(letter("l1"))))
            .await
            .unwrap();
        let scope = worker();
        let number = "+441134960001".to_owned();
        let propose = FaxWrite::Propose {
            number: number.clone(),
            ods: "RZZ01".into(),
            name: "Northfield".into(),
            by: asker(1),
        };
        write(&store, propose.clone()).await.unwrap();
        assert_eq!(
            write(&store, propose).await.unwrap_err().kind,
            Kind::Duplicate
        );
        // Only asked for: nothing may go there.
        assert_eq!(store.faxes_to_send(&scope, 9).await.unwrap()[0].dial, None);
        let due = store.faxes_to_send(&scope, 9).await.unwrap()[0].number;
        assert_eq!(
            write(&store, handing(due)).await.unwrap_err().kind,
            Kind::Forbidden
        );
        let confirm = |by| FaxWrite::Confirm {
            number: number.clone(),
            by: asker(by),
        };
        let alone = write(&store, confirm(1)).await.unwrap_err();
        assert_eq!(alone.kind, Kind::BusinessRule);
        write(&store, confirm(2)).await.unwrap();
        assert!(
            store.faxes_to_send(&scope, 9).await.unwrap()[0]
                .dial
                .is_some()
        );
        // One person's doubt is enough to stop, and takes a second to become the end.
        let end = FaxWrite::ProposeEnd {
            number: number.clone(),
            by: asker(2),
        };
        write(&store, end).await.unwrap();
        assert_eq!(store.faxes_to_send(&scope, 9).await.unwrap()[0].dial, None);
        assert_eq!(
            write(&store, handing(due)).await.unwrap_err().kind,
            Kind::Forbidden
        );
        assert_eq!(
            write(&store, confirm(2)).await.unwrap_err().kind,
            Kind::BusinessRule
        );
        write(&store, confirm(1)).await.unwrap();
        assert!(store.fax_numbers(&scope).await.unwrap().is_empty());
        store.close().await;
    });
}

#[test]
fn a_fax_that_went_has_a_receipt_a_page_and_one_that_did_not_stands_on_the_work_list() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let scope = worker();
        allow(&store).await;
        let FaxDone::Queued { pid, known: false } =
            write(&store, FaxWrite::Queue(Box::new(letter("l1"))))
                .await
                .unwrap()
        else {
            panic!()
        };
        let again = write(&store, FaxWrite::Queue(Box::new(letter("l1"))))
            .await
            .unwrap();
        assert_eq!(again, FaxDone::Queued { pid, known: true });
        let due = store.faxes_to_send(&scope, 9).await.unwrap();
        let number = due[0].number;
        write(&store, handing(number)).await.unwrap();
        assert!(store.faxes_to_send(&scope, 9).await.unwrap().is_empty());
        let job = || "77".to_owned();
        write(&store, FaxWrite::Handed { number, job: job() })
            .await
            .unwrap();
        let report = |done, pages_sent| {
            FaxWrite::Reported(Report {
                job: job(),
                done,
                status: "s".into(),
                pages_sent,
                pages: 3,
            })
        };
        write(&store, report(false, 1)).await.unwrap();
        let stuck = store.fax_work_list(&scope, 9).await.unwrap();
        assert!(stuck[0].reason.contains("1 of 3 pages"), "{stuck:?}");
        assert_eq!(
            store.item(&scope, pid).await.unwrap().letter.state,
            State::Undeliverable
        );
        let who = asker(1);
        write(&store, FaxWrite::Again { number, who })
            .await
            .unwrap();
        write(&store, handing(number)).await.unwrap();
        write(&store, FaxWrite::Handed { number, job: job() })
            .await
            .unwrap();
        let told = write(&store, report(true, 3)).await.unwrap();
        assert_eq!(told, FaxDone::Reported(true));
        // The fax server says it again: no effect.
        write(&store, report(true, 3)).await.unwrap();
        let item = store.item(&scope, pid).await.unwrap();
        assert_eq!(item.letter.state, State::Delivered);
        let delivered = |it: &&crate::parcels::Event| it.state == Some(State::Delivered);
        assert_eq!(item.events.iter().filter(delivered).count(), 1);
        let sql = Sql::new("SELECT page FROM fax_page WHERE fax = $1 ORDER BY page").with(number);
        assert_eq!(store.rows(&sql).await.unwrap().len(), 3);
        let counts = store.fax_counts(&scope, 0, i64::MAX).await.unwrap();
        assert_eq!(
            (counts[0].faxes, counts[0].pages, counts[0].failed),
            (1, 3, 0)
        );
        // A job of somebody else on the same fax server.
        let other = Report {
            job: "78".into(),
            done: true,
            status: String::new(),
            pages_sent: 1,
            pages: 1,
        };
        assert_eq!(
            write(&store, FaxWrite::Reported(other)).await.unwrap(),
            FaxDone::Reported(false)
        );
        store.close().await;
    });
}

#[test]
fn a_letter_by_fax_is_on_the_board_is_withdrawn_while_it_waits_and_not_once_it_was_handed_over() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let scope = worker();
        allow(&store).await;
        let mut pids = Vec::new();
        for id in ["l1", "l2"] {
            match write(&store, FaxWrite::Queue(Box::new(letter(id))))
                .await
                .unwrap()
            {
                FaxDone::Queued { pid, .. } => pids.push(pid),
                other => panic!("{other:?}"),
            }
        }
        // It is no parcel for a node: no worker serves the neighbour for it.
        assert!(store.peers_to_serve().await.unwrap().is_empty());
        let board = store
            .letters(&scope, &ListFilter::new(Show::OnTheWay))
            .await
            .unwrap();
        assert!(board.letters.len() == 2 && board.letters[0].by_fax);
        let withdraw = || Action::Withdraw {
            reason: "wrong letter".into(),
        };
        store.act(&scope, pids[0], withdraw()).await.unwrap();
        let due = store.faxes_to_send(&scope, 9).await.unwrap();
        assert_eq!(due.len(), 1);
        write(&store, handing(due[0].number)).await.unwrap();
        let late = store.act(&scope, pids[1], withdraw()).await.unwrap_err();
        assert_eq!(late.kind, Kind::BusinessRule);
        // The process ended there: only a person can say whether it went.
        let since = store.now();
        let open = store.faxes_under_way(&scope, false, since).await.unwrap();
        let number = open[0].number;
        write(
            &store,
            FaxWrite::Unsure {
                number,
                note: note("cut off"),
            },
        )
        .await
        .unwrap();
        assert!(store.faxes_to_send(&scope, 9).await.unwrap().is_empty());
        let who = asker(1);
        write(&store, FaxWrite::WasSent { number, who })
            .await
            .unwrap();
        assert_eq!(
            store.item(&scope, pids[1]).await.unwrap().letter.state,
            State::Delivered
        );
        // Nobody at the other end is told of any of it.
        assert!(store.peers_to_serve().await.unwrap().is_empty());
        store.close().await;
    });
}

/// A letter about that document is queued; its parcel.
async fn queue(store: &Store, id: &str, document: &str) -> i64 {
    let mut letter = letter(id);
    letter.document = document.into();
    match write(store, FaxWrite::Queue(Box::new(letter)))
        .await
        .unwrap()
    {
        FaxDone::Queued { pid, .. } => pid,
        other => panic!("{other:?}"),
    }
}

/// What the document tells of did not happen.
async fn call_back(store: &Store, document: &str) {
    let cancel = ParcelWrite::CancelDocument {
        document: document.into(),
        reason: "The discharge was cancelled.".into(),
    };
    let job = Job::effect(Effect::Parcel(cancel));
    store.commit(&worker(), job).await.unwrap();
}

async fn state(store: &Store, pid: i64) -> State {
    store.item(&worker(), pid).await.unwrap().letter.state
}

#[test]
fn a_letter_that_is_called_back_is_stopped_while_it_waits_and_rung_about_once_it_left_by_fax() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let scope = worker();
        allow(&store).await;
        let left = queue(&store, "l1", "d1").await;
        let number = store.faxes_to_send(&scope, 9).await.unwrap()[0].number;
        write(&store, handing(number)).await.unwrap();
        let job = "77".to_owned();
        write(&store, FaxWrite::Handed { number, job })
            .await
            .unwrap();
        let report = Report {
            job: "77".into(),
            done: true,
            status: "done".into(),
            pages_sent: 2,
            pages: 2,
        };
        write(&store, FaxWrite::Reported(report)).await.unwrap();
        let waits = queue(&store, "l2", "d2").await;
        for document in ["d1", "d2", "d1"] {
            call_back(&store, document).await;
        }
        assert_eq!(state(&store, waits).await, State::Withdrawn);
        assert!(store.faxes_to_send(&scope, 9).await.unwrap().is_empty());
        // It is there: nothing here may say that it was withdrawn.
        assert_eq!(state(&store, left).await, State::Delivered);
        let recalls = store.recalls(&scope, 9).await.unwrap();
        let [recall] = recalls.as_slice() else {
            panic!("{recalls:?}")
        };
        assert_eq!((recall.pid, recall.fax.as_deref()), (left, Some("sent")));
        assert_eq!(recall.dialled, "+441134960001");
        assert_eq!(recall.reason, "The discharge was cancelled.");
        store.rung(&scope, left).await.unwrap();
        assert!(store.recalls(&scope, 9).await.unwrap().is_empty());
        let item = store.item(&scope, left).await.unwrap();
        for word in [RECALLED, RUNG] {
            let steps = item.events.iter().filter(|it| it.event == word);
            assert_eq!(steps.count(), 1, "{word}");
        }
        assert_eq!(item.letter.state, State::Delivered);
        store.close().await;
    });
}

#[test]
fn a_fax_that_stopped_behind_its_first_page_is_withdrawn_and_rung_about() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let scope = worker();
        allow(&store).await;
        for (letter, job, pages_sent) in [("l1", "77", 1), ("l2", "78", 0)] {
            let pid = queue(&store, letter, letter).await;
            let number = store.faxes_to_send(&scope, 9).await.unwrap()[0].number;
            write(&store, handing(number)).await.unwrap();
            let handed = FaxWrite::Handed {
                number,
                job: job.to_owned(),
            };
            write(&store, handed).await.unwrap();
            let report = Report {
                job: job.into(),
                done: false,
                status: "busy".into(),
                pages_sent,
                pages: 2,
            };
            write(&store, FaxWrite::Reported(report)).await.unwrap();
            call_back(&store, letter).await;
            assert_eq!(state(&store, pid).await, State::Withdrawn);
            let rung_about = store.recalls(&scope, 9).await.unwrap();
            let is_rung_about = rung_about.iter().any(|it| it.pid == pid);
            assert_eq!(is_rung_about, pages_sent > 0, "{letter}");
        }
        store.close().await;
    });
}

#[test]
fn a_fax_that_was_called_back_on_its_way_out_is_not_tried_again() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let scope = worker();
        allow(&store).await;
        let untaken = queue(&store, "l1", "d1").await;
        let number = store.faxes_to_send(&scope, 9).await.unwrap()[0].number;
        write(&store, handing(number)).await.unwrap();
        call_back(&store, "d1").await;
        assert_eq!(store.recalls(&scope, 9).await.unwrap().len(), 1);
        assert_ne!(state(&store, untaken).await, State::Withdrawn);
        // The fax server does not have it after all: nobody need be rung.
        let not_taken = FaxWrite::NotTaken {
            number,
            next_try: 0,
            error: "It does not run.".into(),
            note: None,
        };
        write(&store, not_taken).await.unwrap();
        assert!(store.faxes_to_send(&scope, 9).await.unwrap().is_empty());
        assert_eq!(state(&store, untaken).await, State::Withdrawn);
        assert!(store.recalls(&scope, 9).await.unwrap().is_empty());
        // Of another one nobody knows whether it went: it stays, and is not sent again.
        let unclear = queue(&store, "l2", "d2").await;
        let number = store.faxes_to_send(&scope, 9).await.unwrap()[0].number;
        write(&store, handing(number)).await.unwrap();
        let note = note("cut off");
        write(&store, FaxWrite::Unsure { number, note })
            .await
            .unwrap();
        call_back(&store, "d2").await;
        let who = asker(1);
        let again = write(&store, FaxWrite::Again { number, who }).await;
        assert_eq!(again.unwrap_err().kind, Kind::BusinessRule);
        let recalls = store.recalls(&scope, 9).await.unwrap();
        assert_eq!((recalls.len(), recalls[0].pid), (1, unclear));
        store.close().await;
    });
}
