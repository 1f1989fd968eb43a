//! Messages of BaRS as they are published, and what they must say.

use exchange::referrals::{Act, BarsReferral};
use fhir::problem::{Kind, Problem};
use serde_json::{Value, json};

use super::message::{self, open};
use super::told;

fn read(bytes: &[u8], ids: (String, String)) -> Result<BarsReferral, Problem> {
    message::read(&open(bytes)?, bytes, ids)
}

fn ids() -> (String, String) {
    ("request".into(), "correlation".into())
}

/// A message of our own with all that a referral needs.
fn message() -> Value {
    let entry = |id: &str, resource: Value| json!({ "fullUrl": id, "resource": resource });
    let header = json!({
        "resourceType": "MessageHeader",
        "eventCoding": { "code": "servicerequest-request" },
        "reason": { "coding": [{ "code": "new" }] },
        "sender": { "reference": "urn:uuid:o" },
        "focus": [{ "reference": "urn:uuid:s" }],
        "source": { "endpoint": "x" },
    });
    let asked = json!({
        "resourceType": "ServiceRequest", "status": "active", "intent": "order",
        "identifier": [{ "value": "SR-1" }],
        "priority": "urgent",
        "code": { "text": "Cardiology" },
        "reasonCode": [{ "text": "Chest pain" }],
        "subject": { "reference": "urn:uuid:p" },
        "requester": { "reference": "urn:uuid:r" },
    });
    json!({
        "resourceType": "Bundle", "type": "message", "id": "m-1",
        "entry": [
            entry("urn:uuid:h", header),
            entry("urn:uuid:s", asked),
            entry("urn:uuid:p", json!({
                "resourceType": "Patient",
                "identifier": [{
                    "system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018",
                }],
                "name": [{ "family": "Tester", "given": ["Amina"] }],
                "birthDate": "1980-02-01",
            })),
            entry("urn:uuid:r", json!({
                "resourceType": "Practitioner",
                "name": [{ "family": "Bell", "given": ["Ann"] }],
            })),
            entry("urn:uuid:o", json!({
                "resourceType": "Organization",
                "name": "Willow Road Surgery",
                "identifier": [{
                    "system": "https://fhir.nhs.uk/id/ods-organization-code", "value": "G82080",
                }],
            })),
        ],
    })
}

#[test]
fn a_message_is_read_as_a_referral_or_refused_with_what_it_lacks() {
    let whole = read(message().to_string().as_bytes(), ids()).unwrap();
    assert_eq!((whole.act, whole.asked_as.as_str()), (Act::Refer, "SR-1"));
    assert_eq!(whole.sender.as_str(), "G82080");
    assert_eq!(whole.request.service, "Cardiology");
    assert_eq!(whole.request.urgency, "urgent");
    assert_eq!(whole.request.referrer, "Ann Bell");
    assert_eq!(whole.named.nhs_number.as_deref(), Some("9990000018"));
    let wrong = |place: &str, value: Value| {
        let mut message = message();
        *message.pointer_mut(place).unwrap() = value;
        read(message.to_string().as_bytes(), ids())
            .unwrap_err()
            .kind
    };
    for (place, value, kind) in [
        ("/type", json!("batch"), Kind::Structure),
        ("/id", json!(""), Kind::Required),
        (
            "/entry/0/resource/eventCoding/code",
            json!("booking-request"),
            Kind::NotSupported,
        ),
        (
            "/entry/0/resource/reason/coding/0/code",
            json!("maybe"),
            Kind::Value,
        ),
        (
            "/entry/0/resource/focus/0/reference",
            json!("urn:uuid:p"),
            Kind::Value,
        ),
        (
            "/entry/4/resource/identifier/0/value",
            json!("?"),
            Kind::Value,
        ),
        (
            "/entry/2/resource/identifier/0/value",
            json!("9990000019"),
            Kind::Value,
        ),
    ] {
        assert_eq!(wrong(place, value), kind, "{place}");
    }
    assert!(read(b"{", ids()).is_err());
    let mut over = message();
    over["entry"][0]["resource"]["reason"]["coding"][0]["code"] = json!("update");
    let changed = read(over.to_string().as_bytes(), ids()).unwrap();
    assert_eq!(changed.act, Act::Reply);
    over["entry"][1]["resource"]["status"] = json!("revoked");
    let over = read(over.to_string().as_bytes(), ids()).unwrap();
    assert_eq!(over.act, Act::Withdraw);
}

#[test]
fn an_answer_accepts_only_where_a_named_person_says_so() {
    let of = |status: &str, note: Value| {
        let mut message = message();
        message["entry"][0]["resource"]["eventCoding"]["code"] = json!("servicerequest-response");
        message["entry"][0]["resource"]["response"] = json!({ "identifier": "m-0" });
        message["entry"][1]["resource"]["status"] = json!(status);
        message["entry"][1]["resource"]["note"] = json!([note]);
        let bytes = message.to_string().into_bytes();
        message::answer(&open(&bytes).unwrap(), &bytes, ids()).unwrap()
    };
    let act = |code: &str| json!([{ "url": "urn:handover:referral-act", "valueCode": code }]);
    let said =
        |code: &str| json!({ "extension": act(code), "authorString": "Dr Shah", "text": "x" });
    assert_eq!(of("active", said("accept")).act, Act::Accept);
    let nameless = json!({ "extension": act("accept"), "text": "x" });
    assert_eq!(of("active", nameless).act, Act::Reply);
    for status in ["active", "completed", ""] {
        assert_eq!(
            of(status, json!({ "text": "Seen" })).act,
            Act::Reply,
            "{status}"
        );
    }
    assert_eq!(of("on-hold", json!({ "text": "Why?" })).act, Act::Ask);
    assert_eq!(of("revoked", json!({ "text": "No" })).act, Act::Return);
    assert_eq!(of("revoked", json!({})).words, "Nothing more was said.");
    let bytes = message().to_string().into_bytes();
    let unnamed = message::answer(&open(&bytes).unwrap(), &bytes, ids()).unwrap_err();
    assert_eq!(unnamed.kind, Kind::Required, "it answers nothing");
}

/// The published answer; the test says so loudly where the examples are absent.
#[test]
fn the_published_response_reads_as_words_that_decide_nothing() {
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/nhs/bars");
    let file = folder
        .join("specification/examples/process_message/request/ValidationResponse (POST) .json");
    let Ok(bytes) = std::fs::read(&file) else {
        eprintln!("SKIPPED: the published examples of BaRS are not here");
        return;
    };
    // In the example the organisation that answers has no code; one without is nobody's word.
    let refused = message::answer(&open(&bytes).unwrap(), &bytes, ids()).unwrap_err();
    assert_eq!(refused.expression.as_deref(), Some("MessageHeader.sender"));
    let mut answer: Value = serde_json::from_slice(&bytes).unwrap();
    for entry in answer["entry"].as_array_mut().unwrap() {
        if entry["resource"]["name"] == "Receiver Organization" {
            entry["resource"]["identifier"] = json!([{
                "system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "RYE",
            }]);
        }
    }
    let bytes = answer.to_string().into_bytes();
    let came = message::answer(&open(&bytes).unwrap(), &bytes, ids()).unwrap();
    assert_eq!(came.answers, "86e3371d-1c15-4862-9552-d9560f8292ba");
    assert_eq!((came.act, came.sender.as_str()), (Act::Reply, "RYE"));
    assert!(
        came.words.starts_with("CONSULTATION SUMMARY"),
        "{}",
        came.words
    );
}

#[test]
fn a_request_without_its_ids_or_whose_headers_do_not_read_is_refused() {
    let mut headers = http::HeaderMap::new();
    let whole = "eyJhIjoxfQ==";
    for name in super::TOLD {
        headers.insert(name, whole.parse().unwrap());
    }
    headers.insert("x-correlation-id", "c".parse().unwrap());
    assert_eq!(told(&headers).unwrap_err().kind, Kind::Required);
    headers.insert("x-request-id", "r".parse().unwrap());
    assert_eq!(told(&headers).unwrap(), ("r".to_owned(), "c".to_owned()));
    for wrong in ["%%", "YQ=="] {
        headers.insert(super::TOLD[0], wrong.parse().unwrap());
        assert_eq!(told(&headers).unwrap_err().kind, Kind::Invalid, "{wrong}");
    }
}

/// The published example; the test says so loudly where the examples are absent.
#[test]
fn the_published_request_for_validation_reads_as_a_referral() {
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/nhs/bars");
    let file = folder
        .join("specification/examples/process_message/request/ValidationRequest (POST) .json");
    let Ok(bytes) = std::fs::read(&file) else {
        eprintln!("SKIPPED: the published examples of BaRS are not here");
        return;
    };
    // The number of its patient does not check, and a referral is not taken on a number that is nobody's.
    let refused = read(&bytes, ids()).unwrap_err();
    assert_eq!(refused.expression.as_deref(), Some("Patient.identifier"));
    let text = String::from_utf8(bytes).unwrap();
    let text = text.replace("3478526985", "9990000018");
    let came = read(text.as_bytes(), ids()).unwrap();
    assert_eq!((came.act, came.sender.as_str()), (Act::Refer, "RND"));
    assert_eq!(came.message, "86e3371d-1c15-4862-9552-d9560f8292ba");
    assert_eq!(came.asked_as, "236bb75d-90ef-461f-b71e-fde7f899802c");
    assert_eq!(came.named.family, "Jones");
    assert_eq!(
        came.request.service,
        "Consulting psychologists and/or psychology services"
    );
    assert!(came.request.reason.contains("breathlessness"));
    assert_eq!(came.request.referrer, "Marcy BLAKE");
}
