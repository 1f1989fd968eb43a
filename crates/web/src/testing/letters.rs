//! Letters for tests, brought and sent as the exchange would.

use std::sync::atomic::{AtomicU64, Ordering};

use access::{Ods, Scope, SystemPurpose};
use fhir::json;
use sha2::{Digest, Sha256};
use store::parcels::{Incoming, Named, Outgoing, Parcel, ParcelDone, ParcelWrite, PartOf, Proof};
use store::{Change, Done, Effect, Expect, Job, Prepared, Release, Store};

/// A letter to bring.
#[derive(Clone)]
pub struct Letter {
    pub title: String,
    pub text: String,
    pub content_type: &'static str,
    pub family: String,
    pub urgent: bool,
    pub marked: bool,
}

impl Default for Letter {
    fn default() -> Letter {
        Letter {
            title: "Discharge summary".into(),
            text: "Dear colleague,\nthis is the letter.".into(),
            content_type: "text/plain",
            family: "Example".into(),
            urgent: false,
            marked: false,
        }
    }
}

fn scope() -> Scope {
    Scope::system(SystemPurpose::Measure)
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn parcel(letter: &Letter, sender: &str, recipient: &str) -> Parcel {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let id = format!("letter-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    Parcel {
        kind: store::parcels::Kind::Letter,
        sender: Ods::parse(sender).unwrap(),
        recipient: Ods::parse(recipient).unwrap(),
        text: id.clone(),
        digest: hex(id.as_bytes()),
        unique_id: id.clone(),
        id,
        title: letter.title.clone(),
        author: "Dr A. Writer".into(),
        urgent: letter.urgent,
        marked: letter.marked,
        replaces: None,
        named: Named {
            nhs_number: Some("9434765919".into()),
            birth_date: Some("1961-02-03".into()),
            family: letter.family.clone(),
            given: "Jane".into(),
        },
        parts: vec![PartOf {
            sha256: hex(letter.text.as_bytes()),
            size: letter.text.len() as u64,
            content_type: letter.content_type.into(),
        }],
    }
}

async fn effect(store: &Store, write: ParcelWrite) -> ParcelDone {
    let job = Job::effect(Effect::Parcel(write));
    match store.commit(&scope(), job).await.unwrap().done.remove(0) {
        Done::Parcel(done) => done,
        other => panic!("not of a parcel: {other:?}"),
    }
}

/// A patient `jane` at the node, for accounts and letters.
pub async fn patient(store: &Store) {
    let text = r#"{"resourceType":"Patient","name":[{"family":"Example","given":["Jane"]}],
        "birthDate":"1961-02-03","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number",
        "value":"9434765919"}]}"#;
    put(store, "jane", text, Release::Keep).await;
}

pub async fn put(store: &Store, id: &str, text: &str, release: Release) {
    let resource = json::parse(text.as_bytes(), &json::Limits::default()).unwrap();
    let resource = Prepared::new(&resource, id, store.organisation()).unwrap();
    let change = Change::Put {
        resource,
        expect: Expect::Anything,
        release,
    };
    store.commit(&scope(), Job::change(change)).await.unwrap();
}

/// Jane with somebody after her, as her practice's system says: where she lives and is treated is restricted.
pub async fn restrict(store: &Store) {
    let text = r#"{"resourceType":"Patient","meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"}]},"identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9434765919"}],"name":[{"family":"Example"}],"birthDate":"1980-02-03","address":[{"line":["17 Larkspur Row"],"postalCode":"LS22 6RN"}]}"#;
    put(store, "jane", text, Release::Keep).await;
}

/// A letter comes in; its number here. Nobody has said yet whose it is.
pub async fn bring(store: &Store, letter: &Letter) -> i64 {
    let parcel = parcel(letter, "RZZ01", store.organisation().as_str());
    let sender = parcel.sender.clone();
    let sha256 = parcel.parts[0].sha256.clone();
    let contents = vec![(sha256.clone(), parcel.parts[0].size)];
    effect(
        store,
        ParcelWrite::Want {
            sender: sender.clone(),
            contents,
            bytes_max: u64::MAX,
        },
    )
    .await;
    let bytes = letter.text.clone().into_bytes();
    let held = store.content_held(&sender, &sha256).await.unwrap().unwrap();
    if !held.complete {
        let append = ParcelWrite::Append {
            sender,
            sha256,
            start: 0,
            bytes,
            complete: true,
        };
        effect(store, append).await;
    }
    let incoming = Incoming {
        parcel,
        manifest: Proof::new("signed"),
        after: Vec::new(),
    };
    match effect(store, ParcelWrite::Receive(Box::new(incoming))).await {
        ParcelDone::Received { pid, .. } => pid,
        other => panic!("not received: {other:?}"),
    }
}

/// A letter's document. `meta` is empty, or a member with a comma behind it.
fn document(title: &str, binary: &str, meta: &str) -> String {
    let title = serde_json::to_string(title).unwrap();
    format!(
        r#"{{"resourceType":"DocumentReference",{meta}"status":"current","subject":
        {{"reference":"Patient/jane"}},"date":"2026-01-02T03:04:05Z","description":{title},
        "custodian":{{"identifier":{{"value":"RZZ01"}}}},
        "content":[{{"attachment":{{"url":"Binary/{binary}"}}}}]}}"#
    )
}

fn sealed_as(seal: &str) -> String {
    format!(
        r#""meta":{{"security":[{{"system":"urn:handover:seal","code":"{seal}"}},
        {{"system":"urn:handover:workgroup","code":"gum"}}]}},"#
    )
}

/// The letter is sealed to the workgroup `gum`: `sealed` or `sealed-and-locked`.
pub async fn seal(store: &Store, pid: i64, letter: &Letter, seal: &str) {
    let text = document(&letter.title, &format!("b{pid}"), &sealed_as(seal));
    put(store, &format!("d{pid}"), &text, Release::Keep).await;
}

/// The same of the letter that was sent.
pub async fn seal_sent(store: &Store, letter: &Letter, seal: &str) {
    let text = document(&letter.title, "sent", &sealed_as(seal));
    put(store, "sent", &text, Release::Keep).await;
}

/// The letter is put into Jane's record, not released to her yet.
pub async fn take_in(store: &Store, pid: i64, letter: &Letter) {
    use base64::Engine as _;
    let data = base64::engine::general_purpose::STANDARD.encode(&letter.text);
    let binary = format!(
        r#"{{"resourceType":"Binary","contentType":"{}","securityContext":
        {{"reference":"Patient/jane"}},"data":"{data}"}}"#,
        letter.content_type
    );
    put(store, &format!("b{pid}"), &binary, Release::Keep).await;
    let document = document(&letter.title, &format!("b{pid}"), "");
    put(store, &format!("d{pid}"), &document, Release::Keep).await;
    let taken = ParcelWrite::TakenIn {
        pid,
        patient: "jane".into(),
        document: format!("d{pid}"),
        binaries: vec![format!("b{pid}")],
    };
    effect(store, taken).await;
}

/// A letter in the inbox.
pub async fn receive(store: &Store, letter: &Letter) -> i64 {
    let pid = bring(store, letter).await;
    take_in(store, pid, letter).await;
    pid
}

/// A letter whose patient nobody here knows.
pub async fn receive_unmatched(store: &Store, letter: &Letter) -> i64 {
    let pid = bring(store, letter).await;
    let reason = "Nobody here has this NHS number.".to_owned();
    effect(store, ParcelWrite::Unmatched { pid, reason }).await;
    pid
}

/// A letter that this node sends; its number here.
pub async fn send(store: &Store, letter: &Letter) -> i64 {
    send_as(store, letter, store::parcels::Kind::Letter).await
}

/// The same of another kind.
pub async fn send_as(store: &Store, letter: &Letter, kind: store::parcels::Kind) -> i64 {
    let outgoing = Outgoing {
        parcel: Parcel {
            kind,
            ..parcel(letter, store.organisation().as_str(), "FZZ99")
        },
        patient: "jane".into(),
        document: "sent".into(),
        contents: vec![letter.text.clone().into_bytes()],
    };
    match effect(store, ParcelWrite::Accept(Box::new(outgoing))).await {
        ParcelDone::Accepted { pid, .. } => pid,
        other => panic!("not accepted: {other:?}"),
    }
}

/// A try to reach the other organisation fails.
pub async fn fail_to_send(store: &Store, next_try: i64) {
    let peer = Ods::parse("FZZ99").unwrap();
    let error = "The other node does not answer.".to_owned();
    effect(
        store,
        ParcelWrite::Failed {
            peer,
            error,
            tries: 1,
            next_try,
        },
    )
    .await;
}

/// An HL7 v2 message that was refused; its number on the work list.
pub async fn refuse_message(store: &Store, control_id: &str) -> i64 {
    let body = "MSH|^~\\&|PAS|A81001\rPID|||<script>bad()</script>\r";
    refuse(store, control_id, body).await
}

/// The same of a message that says this.
pub async fn refuse(store: &Store, control_id: &str, body: &str) -> i64 {
    use store::hl7_inbox::{Hl7Done, Hl7Write, Received, Verdict};
    let received = Received {
        application: "PAS".into(),
        facility: "A81001".into(),
        control_id: control_id.into(),
        kind: "MDM^T02".into(),
        body: body.as_bytes().to_vec(),
        verdict: Verdict::Refuse {
            answer: "AE",
            ack: b"MSA|AE|1\r".to_vec(),
            reason: "The message has no patient.".into(),
            next_step: "Ask the sending system to put it right.".into(),
        },
    };
    let write = Hl7Write::receive(received);
    let done = store
        .commit(&scope(), Job::effect(Effect::Hl7(write)))
        .await
        .unwrap();
    match &done.done[0] {
        Done::Hl7(Hl7Done::Kept {
            number: Some(number),
            ..
        }) => *number,
        other => panic!("not kept: {other:?}"),
    }
}

/// What was not delivered by now never will be.
pub async fn give_up(store: &Store) {
    let accepted_before = store.now() + 1;
    effect(store, ParcelWrite::GiveUp { accepted_before }).await;
}

/// The receiver of the letter that was sent last tells a step.
pub async fn told(store: &Store, state: store::parcels::State, note: &str) {
    use store::parcels::{ListFilter, Show, Told};
    let page = store
        .letters(&scope(), &ListFilter::new(Show::AllOut))
        .await
        .unwrap();
    let id = page.letters[0].id.clone();
    let told = Told {
        peer: Ods::parse("FZZ99").unwrap(),
        me: store.organisation().clone(),
        sender: store.organisation().to_string(),
        digest: hex(id.as_bytes()),
        id,
        state: Some(state),
        at: store.now(),
        seq: 1,
        who: "Peter Pestle".into(),
        role: "clinician".into(),
        note: note.into(),
        seen: page.letters[0].made.clone(),
        proof: Proof::new("signed"),
    };
    effect(store, ParcelWrite::Told(Box::new(told))).await;
}
