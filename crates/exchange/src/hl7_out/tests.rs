use std::sync::Mutex;

use access::Ods;
use fhir::json;
use hl7v2::ack::{Answer, ack};
use hl7v2::mllp::{Bounds, Decoder, frame};
use serde_json::{Value, json};
use store::testing::{Ground, on_each_database};
use store::{AuditFilter, Change, Expect, Prepared, Release};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// A system that keeps what it is sent and answers as it is told to.
struct Other {
    address: String,
    got: Arc<Mutex<Vec<String>>>,
    answers: Arc<Mutex<Answer>>,
}

impl Other {
    async fn start() -> Other {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let other = Other {
            address,
            got: Arc::default(),
            answers: Arc::new(Mutex::new(Answer::Accept)),
        };
        let (got, answers) = (other.got.clone(), other.answers.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (got, answers) = (got.clone(), answers.clone());
                tokio::spawn(async move {
                    let mut decoder = Decoder::new(Bounds::default());
                    let mut buffer = vec![0; 4096];
                    loop {
                        while let Ok(Some(message)) = decoder.next_message() {
                            let header = hl7v2::header(&message).unwrap();
                            let answer = *answers.lock().unwrap();
                            let answer = ack(Some(&header), answer, None, "1", 0);
                            got.lock()
                                .unwrap()
                                .push(String::from_utf8(message).unwrap());
                            stream.write_all(&frame(&answer)).await.unwrap();
                        }
                        match stream.read(&mut buffer).await {
                            Ok(count) if count > 0 => decoder.push(&buffer[..count]),
                            _ => return,
                        }
                    }
                });
            }
        });
        other
    }

    fn kinds(&self) -> Vec<String> {
        let got = self.got.lock().unwrap();
        let kind = |text: &String| {
            let message = hl7v2::parse(text.as_bytes()).unwrap();
            format!(
                "{} {}",
                message.value("MSH", 9, 2),
                message.value("PID", 5, 2)
            )
        };
        got.iter().map(kind).collect()
    }
}

async fn node(ground: &Ground, other: &Other) -> (Store, Outwards) {
    let mut settings = ground.settings.clone();
    let kinds = vec![Kind::Adt, Kind::Oru, Kind::Mdm, Kind::Siu];
    let types = kinds.iter().flat_map(|kind| kind.told_of());
    settings.hl7_told = types.map(|ty| (*ty).to_owned()).collect();
    let store = Store::open(settings).await.unwrap();
    let destination = Destination {
        name: "lab".into(),
        address: other.address.clone(),
        kinds,
        application: "LAB".into(),
        facility: "RXX01".into(),
        tls: None,
        answer_within: Duration::from_secs(30),
    };
    (store.clone(), Outwards::new(store, vec![destination]))
}

async fn put(store: &Store, resource: Value) {
    put_by(store, resource, Job::default()).await;
}

async fn put_by(store: &Store, resource: Value, mut job: Job) {
    let id = resource["id"].as_str().unwrap().to_owned();
    let bytes = serde_json::to_vec(&resource).unwrap();
    let resource = json::parse(&bytes, &json::Limits::default()).unwrap();
    let organisation: Ods = store.organisation().clone();
    job.changes.push(Change::Put {
        resource: Prepared::new(&resource, &id, &organisation).unwrap(),
        expect: Expect::Anything,
        release: Release::Keep,
    });
    let scope = Scope::system(SystemPurpose::Import);
    store.commit(&scope, job).await.unwrap();
}

fn patient(given: &str) -> Value {
    json!({"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1951-03-04",
        "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018"}],
        "name": [{"family": "TESTER", "given": [given]}]})
}

async fn round(outwards: &Outwards) {
    let (_hand, stop) = watch::channel(false);
    while outwards.make_all().await.unwrap() > 0 {}
    let mut connection = None;
    let destination = &outwards.destinations[0];
    while outwards
        .send_due(destination, &mut connection, &stop)
        .await
        .unwrap()
        > 0
    {}
}

#[test]
fn changes_are_told_in_their_order_and_each_leaves_its_trace() {
    on_each_database(async |ground| {
        let other = Other::start().await;
        let (store, outwards) = node(ground, &other).await;
        put(&store, patient("Amina")).await;
        put(&store, patient("Amira")).await;
        let visit = json!({"resourceType": "Encounter", "id": "e1", "status": "in-progress",
            "class": {"code": "IMP"}, "subject": {"reference": "Patient/p1"}});
        put(&store, visit).await;
        round(&outwards).await;
        assert_eq!(other.kinds(), ["A28 Amina", "A31 Amira", "A01 Amira"]);
        let first = other.got.lock().unwrap()[0].clone();
        assert!(first.starts_with("MSH|^~\\&|HANDOVER|"), "{first}");
        assert!(first.contains("|LAB|RXX01|"), "{first}");
        assert!(first.contains("9990000018^^^NHS^NH"), "{first}");
        // Nothing is sent twice.
        round(&outwards).await;
        assert_eq!(other.kinds().len(), 3);
        let (to_be_told, answered) = lines(&store).await;
        assert_eq!((to_be_told.len(), answered.len()), (3, 3));
        assert!(to_be_told[0].starts_with("hl7-out-to=lab&control-id="));
        store.close().await;
    });
}

/// What the log's lines about the patient say was to be told, and what was answered.
async fn lines(store: &Store) -> (Vec<String>, Vec<String>) {
    let audit = Scope::system(SystemPurpose::Measure);
    let filter = AuditFilter {
        patient: Some("p1".into()),
        count: 100,
        ..AuditFilter::default()
    };
    let page = store.audit_page(&audit, &filter).await.unwrap();
    let said = page.entries.into_iter().rev();
    let mut said: Vec<String> = said
        .filter_map(|line| line.target.query)
        .map(|what| what.to_string())
        .collect();
    said.retain(|what| what.starts_with("hl7-out"));
    said.into_iter()
        .partition(|what| what.starts_with("hl7-out-to"))
}

#[test]
fn p27_what_a_system_was_sent_and_never_answered_has_its_line() {
    on_each_database(async |ground| {
        let mut other = Other::start().await;
        // It takes connections, and never answers.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        other.address = silent.local_addr().unwrap().to_string();
        let (store, outwards) = node(ground, &other).await;
        put(&store, patient("Amina")).await;
        while outwards.make_all().await.unwrap() > 0 {}
        let (_hand, stop) = watch::channel(false);
        let destination = outwards.destinations[0].clone();
        let mut connection = None;
        let sending = outwards.send_due(&destination, &mut connection, &stop);
        let reading = async {
            let (mut stream, _) = silent.accept().await.unwrap();
            let mut first = [0; 1];
            stream.read_exact(&mut first).await.unwrap();
            lines(&store).await
        };
        let (to_be_told, answered) = tokio::select! {
            sent = sending => panic!("nobody answered, yet {sent:?}"),
            lines = reading => lines,
        };
        assert_eq!((to_be_told.len(), answered.len()), (1, 0));
        store.close().await;
    });
}

#[test]
fn what_came_by_hl7_is_not_told_on() {
    on_each_database(async |ground| {
        use store::hl7_inbox::{Hl7Write, Received, Verdict};
        let other = Other::start().await;
        let (store, outwards) = node(ground, &other).await;
        let received = Received {
            application: "PAS".into(),
            facility: "RXX01".into(),
            control_id: "1".into(),
            kind: "ADT^A28".into(),
            body: b"MSH|".to_vec(),
            verdict: Verdict::Take {
                accepted: b"AA".to_vec(),
                conflict: |_, _| Vec::new(),
            },
        };
        let scope = Scope::system(SystemPurpose::MapMessages);
        let keep = Job::effect(Effect::Hl7(Hl7Write::receive(received)));
        store.commit(&scope, keep).await.unwrap();
        let waiting = store.hl7_waiting(&scope, 0, 1, 100).await.unwrap();
        let mapped = Hl7Write::Mapped {
            number: waiting[0].number,
            note: None,
        };
        put_by(&store, patient("Amina"), Job::effect(Effect::Hl7(mapped))).await;
        round(&outwards).await;
        assert!(other.kinds().is_empty());
        store.close().await;
    });
}

#[test]
fn a_refusal_stands_on_the_work_list_and_holds_what_follows_back() {
    on_each_database(async |ground| {
        let other = Other::start().await;
        let (store, outwards) = node(ground, &other).await;
        *other.answers.lock().unwrap() = Answer::Error;
        put(&store, patient("Amina")).await;
        put(&store, patient("Amira")).await;
        round(&outwards).await;
        assert_eq!(other.kinds(), ["A28 Amina"]);
        let list = store.hl7_out_work_list(&outwards.scope, 10).await.unwrap();
        assert_eq!(list.len(), 1);
        assert_eq!(list[0].reason, "lab refused the message: it answered AE.");
        *other.answers.lock().unwrap() = Answer::Accept;
        let number = list[0].number;
        outwards
            .write(Hl7OutWrite::Again { number }, Vec::new())
            .await
            .unwrap();
        round(&outwards).await;
        assert_eq!(other.kinds(), ["A28 Amina", "A28 Amina", "A31 Amira"]);
        store.close().await;
    });
}

#[test]
fn a_system_that_is_away_is_tried_again_later() {
    on_each_database(async |ground| {
        let other = Other::start().await;
        let (store, mut outwards) = node(ground, &other).await;
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
        outwards.destinations[0].address = gone.local_addr().unwrap().to_string();
        drop(gone);
        outwards.backoff.first_millis = 0;
        put(&store, patient("Amina")).await;
        let (_hand, stop) = watch::channel(false);
        outwards.make_all().await.unwrap();
        for _ in 0..10 {
            let destination = &outwards.destinations[0];
            let sent = outwards.send_due(destination, &mut None, &stop).await;
            assert_eq!(sent.unwrap(), 0);
        }
        let list = store.hl7_out_work_list(&outwards.scope, 10).await.unwrap();
        assert_eq!((list.len(), &*list[0].state), (1, "waiting"));
        outwards.destinations[0].address.clone_from(&other.address);
        round(&outwards).await;
        assert_eq!(other.kinds(), ["A28 Amina"]);
        let list = store.hl7_out_work_list(&outwards.scope, 10).await.unwrap();
        assert!(list.is_empty());
        store.close().await;
    });
}

#[test]
fn a_document_goes_out_with_its_content_and_one_without_a_patient_is_shown() {
    on_each_database(async |ground| {
        let other = Other::start().await;
        let (store, outwards) = node(ground, &other).await;
        put(&store, patient("Amina")).await;
        let binary = json!({"resourceType": "Binary", "id": "b1", "contentType": "application/pdf",
            "data": "JVBERi0xLjcK"});
        put(&store, binary).await;
        let document = |id: &str| {
            json!({"resourceType": "DocumentReference", "id": id, "status": "current",
                "description": "Discharge summary",
                "content": [{"attachment": {"url": "Binary/b1"}}]})
        };
        let mut told = document("d1");
        told["subject"] = json!({"reference": "Patient/p1"});
        put(&store, told).await;
        put(&store, document("d2")).await;
        round(&outwards).await;
        let got = other.got.lock().unwrap().clone();
        assert_eq!(got.len(), 2);
        assert!(
            got[1].contains("^application^pdf^Base64^JVBERi0xLjcK"),
            "{}",
            got[1]
        );
        let list = store.hl7_out_work_list(&outwards.scope, 10).await.unwrap();
        assert_eq!(list.len(), 1);
        assert!(
            list[0].reason.contains("names no patient"),
            "{}",
            list[0].reason
        );
        store.close().await;
    });
}

#[test]
fn what_is_sealed_to_a_team_is_told_to_nobody() {
    on_each_database(async |ground| {
        let other = Other::start().await;
        let (store, outwards) = node(ground, &other).await;
        let mut sealed = patient("Amina");
        sealed["meta"] = json!({"security": [
            {"system": "urn:handover:seal", "code": "sealed"},
            {"system": "urn:handover:workgroup", "code": "7"}
        ]});
        put(&store, sealed).await;
        round(&outwards).await;
        assert!(other.kinds().is_empty());
        assert!(
            store
                .hl7_changes(&outwards.scope, 10)
                .await
                .unwrap()
                .is_empty()
        );
        store.close().await;
    });
}
