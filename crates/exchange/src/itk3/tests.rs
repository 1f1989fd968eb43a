//! What a worker does with what came, and with what did not.

mod called_back;
mod care;

use access::Ods;
use fhir::itk3::{Body, Document, Header, Message, Organisation, Part, Person, write};
use store::fax::{Asker, FaxWrite};
use store::itk3::{Answer, Itk3Done, List, NewOut, Stuck};
use store::parcels::{Kind as ParcelKind, Named, Outgoing, Parcel, PartOf, State};
use store::testing::{Ground, on_each_database};
use store::{Clock, Done};

use super::*;
use crate::keys::sha256_hex;
use crate::mesh::{Credentials, tls};

const HEADER: &str = "ea7221b8-3cc0-4b11-bc95-585b056b5428";
const PRACTICE: &str = "A99998";
const MAILBOX: &str = "A99998OT001";

fn worker(store: &Store, clock: &Clock) -> Itk3 {
    let tls = tls::client(tls::Pem {
        authorities: None,
        client: None,
    });
    let credentials = Credentials::new("RZZ98OT001", "password", "key").unwrap();
    // Nobody is there: these tests hand over what MESH would.
    let mesh = Mesh::new(
        "http://127.0.0.1:1",
        tls.unwrap(),
        credentials,
        clock.clone(),
    );
    let settings = Settings {
        name: "Anytown Hospital".into(),
        telephone: String::new(),
        tries_max: 3,
        infrastructure_hours: 24,
        business_hours: 120,
        keep_days: 30,
        message_bytes_max: 1 << 20,
        look_seconds: 60,
        date_order: DateOrder::YearFirst,
        discharge_definition: None,
    };
    Itk3::new(store.clone(), mesh.unwrap(), settings)
}

async fn change(worker: &Itk3, write: Itk3Write) -> Result<Itk3Done, Problem> {
    let job = Job::effect(Effect::Itk3(write));
    let committed = worker.store.commit(&worker.scope, job).await?;
    match committed.done.into_iter().next() {
        Some(Done::Itk3(done)) => Ok(done),
        other => panic!("{other:?}"),
    }
}

/// A letter that MESH has as `M1`; its parcel.
async fn handed(worker: &Itk3) -> i64 {
    let content = b"Dear colleague".to_vec();
    let parcel = Parcel {
        kind: ParcelKind::Itk3,
        sender: worker.store.organisation().clone(),
        recipient: Ods::parse(PRACTICE).unwrap(),
        id: "l1".into(),
        text: "l1".into(),
        digest: "l1".into(),
        title: "Discharge summary".into(),
        author: String::new(),
        urgent: false,
        marked: false,
        unique_id: "d1".into(),
        replaces: None,
        named: Named::default(),
        parts: vec![PartOf {
            sha256: sha256_hex(&content),
            size: content.len() as u64,
            content_type: "text/plain".into(),
        }],
    };
    let queue = Itk3Write::Queue(Box::new(NewOut {
        letter: Outgoing {
            parcel,
            patient: String::new(),
            document: "letter-1".into(),
            contents: vec![content],
        },
        mailbox: MAILBOX.into(),
        workflow: SEND_DOCUMENT.into(),
        bundle: "b1".into(),
        header: HEADER.into(),
    }));
    let pid = match change(worker, queue).await.unwrap() {
        Itk3Done::Queued { pid, .. } => pid,
        other => panic!("{other:?}"),
    };
    let [letter] = &worker.store.itk3_to_send(&worker.scope, 9).await.unwrap()[..] else {
        panic!("one letter is to be sent")
    };
    hand(worker, letter.number, "M1").await;
    pid
}

async fn hand(worker: &Itk3, number: i64, outside: &str) {
    let handing = Itk3Write::Handing {
        number,
        holder: "h".into(),
        local_id: "H1".into(),
    };
    change(worker, handing).await.unwrap();
    let outside = outside.to_owned();
    change(worker, Itk3Write::Handed { number, outside })
        .await
        .unwrap();
}

fn answer(code: &str) -> Itk3Write {
    Itk3Write::Answered(Box::new(Answer {
        header: HEADER.into(),
        code: code.into(),
        meaning: "Payload validation failure".into(),
        diagnostics: String::new(),
        mailbox: MAILBOX.into(),
        ods: PRACTICE.into(),
    }))
}

async fn stuck(worker: &Itk3) -> Vec<Stuck> {
    worker.store.itk3_work_list(&worker.scope, 9).await.unwrap()
}

async fn state(worker: &Itk3, pid: i64) -> (State, String) {
    let letter = worker.store.item(&worker.scope, pid).await.unwrap().letter;
    (letter.state, letter.itk3.unwrap_or_default())
}

fn ann() -> Asker {
    Asker {
        account: 1,
        who: "Ann".into(),
    }
}

/// Two people put the practice's number in force.
fn allowed() -> [FaxWrite; 2] {
    let by = |account| Asker {
        account,
        who: format!("Person {account}"),
    };
    let number = "+441134960001".to_owned();
    let propose = FaxWrite::Propose {
        number: number.clone(),
        ods: PRACTICE.into(),
        name: "Practice".into(),
        by: by(1),
    };
    [propose, FaxWrite::Confirm { number, by: by(2) }]
}

const HOUR: i64 = 3_600_000;

#[test]
fn a_missing_response_puts_a_letter_before_a_person_and_a_late_one_takes_it_off() {
    on_each_database(async |ground: &Ground| {
        let store = ground.open().await;
        let worker = worker(&store, ground.clock());
        let pid = handed(&worker).await;
        ground.clock().advance(23 * HOUR);
        worker.unanswered().await.unwrap();
        assert!(stuck(&worker).await.is_empty());
        ground.clock().advance(2 * HOUR);
        worker.unanswered().await.unwrap();
        let rows = stuck(&worker).await;
        assert!(rows[0].reason.contains("After 24 hours A99998"), "{rows:?}");
        assert!(rows[0].next_step.contains("Ring them"), "{rows:?}");
        assert_eq!(
            state(&worker, pid).await,
            (State::Waiting, "unanswered".into())
        );
        change(&worker, answer("20013")).await.unwrap();
        assert!(stuck(&worker).await.is_empty());
        assert_eq!(
            state(&worker, pid).await,
            (State::Delivered, "received".into())
        );
        // The same once more is no news.
        change(&worker, answer("20013")).await.unwrap();
        let events = store.item(&worker.scope, pid).await.unwrap().events;
        assert_eq!(
            events.iter().filter(|it| it.note.contains("20013")).count(),
            1
        );
        ground.clock().advance(121 * HOUR);
        worker.unanswered().await.unwrap();
        let rows = stuck(&worker).await;
        assert!(rows[0].reason.contains("business response"), "{rows:?}");
        change(&worker, answer("30001")).await.unwrap();
        assert!(stuck(&worker).await.is_empty());
        assert_eq!(
            state(&worker, pid).await,
            (State::Delivered, "accepted".into())
        );
        store.close().await;
    });
}

#[test]
fn a_negative_response_and_a_report_put_a_letter_before_a_person_who_sends_it_on() {
    on_each_database(async |ground: &Ground| {
        let store = ground.open().await;
        let worker = worker(&store, ground.clock());
        let pid = handed(&worker).await;
        change(&worker, answer("20009")).await.unwrap();
        assert_eq!(
            state(&worker, pid).await,
            (State::Undeliverable, "refused".into())
        );
        let rows = stuck(&worker).await;
        assert!(
            rows[0].reason.contains("20009: Payload validation failure"),
            "{rows:?}"
        );
        let number = rows[0].number;
        change(&worker, Itk3Write::Again { number, who: ann() })
            .await
            .unwrap();
        let again = store.itk3_to_send(&worker.scope, 9).await.unwrap();
        // It bears the names that it had: its receiver can tell.
        assert_eq!(
            (again[0].bundle.as_str(), again[0].header.as_str()),
            ("b1", HEADER)
        );
        hand(&worker, number, "M2").await;
        let report = |outside: &str| Itk3Write::Reported {
            outside: outside.into(),
            local_id: String::new(),
            code: "14".into(),
        };
        let other = change(&worker, report("M9")).await.unwrap();
        assert_eq!(
            other,
            Itk3Done::Reported(false),
            "it is about somebody else's message"
        );
        change(&worker, report("M2")).await.unwrap();
        let rows = stuck(&worker).await;
        assert_eq!(rows[0].state, "failed");
        assert!(rows[0].reason.contains("code 14"), "{rows:?}");
        // By fax only to a number that two people put in force.
        let by_fax = Itk3Write::ByFax { number, who: ann() };
        let refused = change(&worker, by_fax.clone()).await.unwrap_err();
        assert_eq!(refused.kind, Kind::BusinessRule);
        let faxes = Scope::system(SystemPurpose::KeepFaxes);
        for write in allowed() {
            let job = Job::effect(Effect::Fax(write));
            store.commit(&faxes, job).await.unwrap();
        }
        change(&worker, by_fax).await.unwrap();
        assert!(stuck(&worker).await.is_empty());
        let letter = store.item(&worker.scope, pid).await.unwrap().letter;
        assert!(letter.by_fax && !letter.by_itk3);
        assert_eq!(store.faxes_to_send(&faxes, 9).await.unwrap().len(), 1);
        store.close().await;
    });
}

#[test]
fn a_response_counts_only_from_the_mailbox_that_the_letter_went_to() {
    on_each_database(async |ground: &Ground| {
        let store = ground.open().await;
        let worker = worker(&store, ground.clock());
        let pid = handed(&worker).await;
        let response = |to: &str| Message {
            bundle: format!("r-{to}"),
            header: Header {
                id: "h".into(),
                event: "ITK008M".into(),
                endpoint: String::new(),
                sender: Organisation::default(),
                timestamp: "2026-01-05T09:00:00Z".into(),
                wants_business: false,
                wants_infrastructure: false,
                definition: fhir::itk3::RESPONSE.into(),
                reference: "l1".into(),
                local: None,
            },
            body: Body::Response(fhir::itk3::Response {
                to: to.into(),
                code: "30001".into(),
                diagnostics: String::new(),
            }),
        };
        for (mailbox, to, outside) in [("STRANGER1", HEADER, "A1"), (MAILBOX, "another", "A2")] {
            let arrived = Arrived {
                outside: outside.into(),
                mailbox: mailbox.into(),
                workflow: "GPCONNECT_SEND_DOCUMENT_ACK".into(),
                ..Arrived::default()
            };
            let bytes = write(&response(to), &|word| make::derived(to, word));
            worker.taken(&arrived, bytes).await.unwrap();
        }
        assert_eq!(state(&worker, pid).await, (State::Waiting, "handed".into()));
        let rows = stuck(&worker).await;
        let what: Vec<_> = rows.iter().map(|it| (it.list, it.state.as_str())).collect();
        assert_eq!(what, [(List::In, "stray"), (List::In, "stray")]);
        // And nobody is answered: two nodes would not come to an end.
        assert!(
            store
                .itk3_to_answer(&worker.scope, 9)
                .await
                .unwrap()
                .is_empty()
        );
        store.close().await;
    });
}

fn document(bundle: &str, replaces: Option<&str>) -> Message {
    let organisation = Organisation {
        ods: "RZZ01".into(),
        name: "Northfield Hospital".into(),
        telephone: String::new(),
    };
    Message {
        bundle: bundle.into(),
        header: Header {
            id: format!("header-{bundle}"),
            event: "ITK005D".into(),
            endpoint: "RZZ01OT001".into(),
            sender: organisation.clone(),
            timestamp: "2026-01-05T09:00:00Z".into(),
            wants_business: true,
            wants_infrastructure: true,
            definition:
                "https://fhir.nhs.uk/STU3/MessageDefinition/ITK-EC-Discharge-MessageDefinition-1"
                    .into(),
            reference: "ref".into(),
            local: None,
        },
        body: Body::Document(Box::new(Document {
            id: bundle.into(),
            title: "Emergency discharge".into(),
            summary: String::new(),
            date: "2026-01-05T08:00:00Z".into(),
            restricted: true,
            patient: Person {
                nhs_number: Some("9434765919".into()),
                birth_date: Some("1980-02-01".into()),
                family: "Ash".into(),
                given: "Una".into(),
            },
            practice: String::new(),
            author: "Dr Bee".into(),
            custodian: organisation,
            replaces: replaces.map(str::to_owned),
            narrative: String::new(),
            structure: None,
            parts: vec![Part {
                content_type: "application/pdf".into(),
                bytes: b"%PDF-1.4".to_vec(),
            }],
        })),
    }
}

async fn came(worker: &Itk3, message: &Message, outside: &str, to: &str) {
    let arrived = Arrived {
        outside: outside.into(),
        mailbox: "RZZ01OT001".into(),
        to: to.into(),
        workflow: "TOC_FHIR_EC_DISCH".into(),
        subject: String::new(),
        received_at: worker.store.now(),
    };
    let bytes = write(message, &|word| make::derived(&message.header.id, word));
    worker.taken(&arrived, bytes).await.unwrap();
}

async fn codes_due(worker: &Itk3) -> Vec<String> {
    let due = worker
        .store
        .itk3_to_answer(&worker.scope, 99)
        .await
        .unwrap();
    due.into_iter().map(|it| it.code).collect()
}

#[test]
fn a_document_that_comes_twice_is_one_letter_and_a_later_one_takes_its_place() {
    on_each_database(async |ground: &Ground| {
        let store = ground.open().await;
        let worker = worker(&store, ground.clock());
        let first = document("doc-1", None);
        came(&worker, &first, "M1", "").await;
        came(&worker, &first, "M1", "").await;
        assert_eq!(
            codes_due(&worker).await,
            ["20013"],
            "MESH handed over the same message"
        );
        came(&worker, &first, "M2", "").await;
        assert_eq!(
            codes_due(&worker).await,
            ["20013", "20013"],
            "it was sent once more"
        );
        let taking = Scope::system(SystemPurpose::TakeInParcels);
        let waiting = store.to_take_in(&taking, 9).await.unwrap();
        assert_eq!(waiting.len(), 1);
        assert!(waiting[0].by_itk3);
        let item = store.item(&worker.scope, waiting[0].pid).await.unwrap();
        assert!(
            item.letter.marked,
            "what is restricted is not released by a rule of days"
        );
        assert_eq!(item.letter.sender, "RZZ01");
        // One that says that it replaces the first, from the same mailbox.
        came(&worker, &document("doc-2", Some("doc-1")), "M3", "").await;
        let waiting = store.to_take_in(&taking, 9).await.unwrap();
        assert_eq!(waiting.len(), 1, "the earlier one is not taken in any more");
        let earlier = store.item(&worker.scope, item.letter.pid).await.unwrap();
        assert_eq!(earlier.letter.state, State::Superseded);
        store.close().await;
    });
}

#[test]
fn a_document_that_was_addressed_by_another_patient_is_refused_and_kept() {
    on_each_database(async |ground: &Ground| {
        let store = ground.open().await;
        let worker = worker(&store, ground.clock());
        for (at, to) in [
            "GPPROVIDER_9434765919_19800201_Ash",
            "GPPROVIDER_9434765919_01021980_ASH",
            "GPPROVIDER_9434765870_19800201_Ash",
            "GPPROVIDER_9434765919_19800202_Ash",
            "GPPROVIDER_9434765919_19800201_Oak",
        ]
        .into_iter()
        .enumerate()
        {
            came(
                &worker,
                &document(&format!("doc-{at}"), None),
                &format!("M{at}"),
                to,
            )
            .await;
        }
        assert_eq!(
            codes_due(&worker).await,
            ["20013", "20013", "20009", "20009", "20009"]
        );
        let rows = stuck(&worker).await;
        assert_eq!(rows.len(), 3);
        for row in &rows {
            assert!(row.reason.contains("differ from those"), "{row:?}");
            assert!(
                !row.reason.contains("943") && !row.reason.contains("Oak"),
                "{row:?}"
            );
            let kept = store.itk3_came(&worker.scope, row.number).await.unwrap();
            assert!(kept.bytes.starts_with(b"<Bundle"));
        }
        // What a person is to look at is not forgotten; what was taken is, in time.
        ground.clock().advance(31 * 24 * HOUR);
        change(
            &worker,
            Itk3Write::Tidy {
                before: store.now() - HOUR,
            },
        )
        .await
        .unwrap();
        assert!(store.itk3_came(&worker.scope, rows[0].number).await.is_ok());
        store.close().await;
    });
}

#[test]
fn a_document_with_an_attachment_too_large_for_a_resource_is_a_letter_as_any_other() {
    on_each_database(async |ground: &Ground| {
        let store = ground.open().await;
        let mut worker = worker(&store, ground.clock());
        worker.settings.message_bytes_max = 32 << 20;
        let mut message = document("doc-1", None);
        let bytes: Vec<u8> = (0..12_000_000_u32).map(|it| (it % 251) as u8).collect();
        if let Body::Document(document) = &mut message.body {
            document.parts[0].bytes.clone_from(&bytes);
        }
        came(&worker, &message, "M1", "").await;
        assert_eq!(codes_due(&worker).await, ["20013"]);
        let taking = Scope::system(SystemPurpose::TakeInParcels);
        let waiting = store.to_take_in(&taking, 9).await.unwrap();
        let part = &waiting[0].parts[0];
        assert_eq!(part.size, bytes.len() as u64);
        let sender = &waiting[0].sender;
        let kept = store.content_bytes(&taking, sender, &part.sha256, 0, true);
        assert!(kept.await.unwrap() == bytes, "it is here in pieces, whole");
        store.close().await;
    });
}
