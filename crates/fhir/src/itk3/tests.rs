use super::*;
use crate::json::Limits;
use crate::xml::tree;

fn limits() -> Limits {
    Limits {
        depth: 40,
        bytes: 1 << 20,
        nodes: 10_000,
    }
}

fn id(word: &str) -> String {
    format!(
        "00000000-0000-4000-8000-{:012x}",
        word.bytes().map(u64::from).sum::<u64>()
    )
}

pub(super) fn message() -> Message {
    let organisation = Organisation {
        ods: "RZZ01".into(),
        name: "St \"Elsewhere\" & Sons".into(),
        telephone: "0113 496 0000".into(),
    };
    Message {
        bundle: "0bcb5098-ce5a-4a85-a547-2574f90310e4".into(),
        header: Header {
            id: "ea7221b8-3cc0-4b11-bc95-585b056b5428".into(),
            event: SEND_DOCUMENT_EVENT.into(),
            endpoint: "RZZ01OT001".into(),
            sender: Organisation {
                telephone: String::new(),
                ..organisation.clone()
            },
            timestamp: "2026-01-05T09:00:00.000Z".into(),
            wants_business: true,
            wants_infrastructure: true,
            definition: SEND_DOCUMENT.into(),
            reference: "p-1".into(),
            local: Some("SendDocument-ConsultationReport".into()),
        },
        body: Body::Document(Box::new(Document {
            id: "0bcb5098-ce5a-4a85-a547-2574f90310e4".into(),
            title: "Consultation report".into(),
            summary: "Consultation report for Una Ash , NHS Number 9434765919".into(),
            date: "2026-01-05T09:00:00.000Z".into(),
            restricted: false,
            patient: Person {
                nhs_number: Some("9434765919".into()),
                birth_date: Some("1980-02-01".into()),
                family: "Ash".into(),
                given: "Una".into(),
            },
            practice: String::new(),
            author: "Dr A <Bee>".into(),
            custodian: organisation,
            replaces: Some("846ebe66-5ff8-4499-bc57-a112d3d0daa3".into()),
            narrative: String::new(),
            structure: None,
            parts: vec![
                Part {
                    content_type: "application/pdf".into(),
                    bytes: b"%PDF-1.4 x".to_vec(),
                },
                Part {
                    content_type: "text/plain".into(),
                    bytes: "caf\u{e9}".as_bytes().to_vec(),
                },
            ],
        })),
    }
}

#[test]
fn what_is_written_reads_back_and_the_same_message_is_the_same_bytes() {
    let message = message();
    let xml = write(&message, &id);
    assert_eq!(read(&xml, &limits()).unwrap(), message);
    assert_eq!(write(&message, &id), xml);
    let response = Message {
        bundle: "b".into(),
        header: Header {
            event: RESPONSE_EVENT.into(),
            wants_business: false,
            wants_infrastructure: false,
            definition: RESPONSE.into(),
            local: None,
            ..message.header
        },
        body: Body::Response(Response {
            to: "ea7221b8-3cc0-4b11-bc95-585b056b5428".into(),
            code: codes::PAYLOAD.into(),
            diagnostics: "Composition.subject: there is no Patient of that name.".into(),
        }),
    };
    let xml = write(&response, &id);
    assert_eq!(read(&xml, &limits()).unwrap(), response);
}

/// The numbered requirements of GP Connect Send Document that what is written can be held to.
#[test]
fn what_is_written_meets_the_numbered_requirements() {
    let xml = write(&message(), &id);
    let tree = tree::parse(&xml, &limits()).unwrap();
    let resource = |bundle: &tree::Element, at: usize| {
        bundle
            .all("entry")
            .nth(at)
            .unwrap()
            .child("resource")
            .unwrap()
            .children[0]
            .clone()
    };
    let header = resource(&tree, 0);
    let outer = header.child("extension").unwrap().clone();
    let said = |url: &str, path: &[&str]| {
        let found = outer
            .all("extension")
            .find(|it| it.url.as_deref() == Some(url));
        found.unwrap().text(path).unwrap().to_owned()
    };
    for (requirement, found, expected) in [
        (
            "GPCM-SD-039",
            said("RecipientType", &["valueCoding", "code"]),
            "FA",
        ),
        (
            "GPCM-SD-040",
            said("BusAckRequested", &["valueBoolean"]),
            "true",
        ),
        (
            "GPCM-SD-041",
            said("InfAckRequested", &["valueBoolean"]),
            "true",
        ),
        (
            "GPCM-SD-042",
            said("SenderReference", &["valueString"]),
            "p-1",
        ),
        (
            "GPCM-SD-043",
            said("MessageDefinition", &["valueReference", "reference"]),
            SEND_DOCUMENT,
        ),
        (
            "GPCM-SD-044",
            said("LocalExtension", &["valueString"]),
            "SendDocument-ConsultationReport",
        ),
    ] {
        assert_eq!(found, expected, "{requirement}");
    }
    let sender = resource(&tree, 1);
    assert_eq!(sender.name, "Organization", "GPCM-SD-045");
    assert_eq!(sender.text(&["identifier", "value"]), Some("RZZ01"));
    assert_eq!(
        header.text(&["source", "endpoint"]),
        Some("RZZ01OT001"),
        "GPCM-SD-046"
    );
    assert_eq!(
        header.text(&["event", "code"]),
        Some("ITK007C"),
        "GPCM-SD-047"
    );
    assert!(header.text(&["timestamp"]).is_some(), "GPCM-SD-048");
    assert!(
        header.child("destination").is_none() && header.child("receiver").is_none(),
        "GPCM-SD-049"
    );
    let bundle = resource(&tree, 2);
    let profile = |it: &tree::Element| it.text(&["meta", "profile"]).unwrap_or_default().to_owned();
    assert!(
        profile(&bundle).ends_with("/ITK-Document-Bundle-1"),
        "GPCM-SD-103"
    );
    let composition = resource(&bundle, 0);
    assert!(
        profile(&composition).ends_with("/CareConnect-Composition-1"),
        "GPCM-SD-104, 113"
    );
    assert_eq!(composition.text(&["status"]), Some("final"), "GPCM-SD-114");
    assert_eq!(
        composition.text(&["type", "coding", "code"]),
        Some("371531000"),
        "GPCM-SD-115"
    );
    assert!(composition.text(&["date"]).is_some(), "GPCM-SD-116");
    assert_eq!(
        composition.text(&["confidentiality"]),
        Some("N"),
        "GPCM-SD-117"
    );
    assert_eq!(
        composition.text(&["title"]),
        Some("Consultation report"),
        "GPCM-SD-118"
    );
    assert_eq!(
        composition.text(&["relatesTo", "code"]),
        Some("replaces"),
        "GPCM-SD-131"
    );
    assert!(
        composition
            .child("relatesTo")
            .unwrap()
            .child("targetIdentifier")
            .is_some(),
        "GPCM-SD-132"
    );
    // Each attachment has a section of its own, the main one first, and all is named by profile.
    let first = composition
        .text(&["section", "entry", "reference"])
        .unwrap();
    let entry = bundle.all("entry").nth(1).unwrap();
    assert_eq!(entry.text(&["fullUrl"]), Some(first), "GPCM-SD-110, 112");
    assert_eq!(composition.all("section").count(), 2, "GPCM-SD-109");
    for entry in bundle.all("entry").chain(tree.all("entry")) {
        let resource = &entry.child("resource").unwrap().children[0];
        assert!(
            !profile(resource).is_empty(),
            "GPCM-SD-108: {}",
            resource.name
        );
    }
    let named = |name: &str| {
        let found = bundle
            .all("entry")
            .map(|it| &it.child("resource").unwrap().children[0]);
        found
            .into_iter()
            .find(|it| it.name == name)
            .unwrap()
            .clone()
    };
    let organisation = named("Organization");
    assert_eq!(
        organisation.text(&["identifier", "value"]),
        Some("RZZ01"),
        "GPCM-SD-029"
    );
    assert!(organisation.text(&["name"]).is_some(), "GPCM-SD-030");
    assert_eq!(
        organisation.text(&["telecom", "system"]),
        Some("phone"),
        "GPCM-SD-031"
    );
    assert_eq!(
        named("Practitioner").text(&["name", "use"]),
        Some("official"),
        "GPCM-SD-033"
    );
    let patient = named("Patient");
    assert_eq!(
        patient.text(&["identifier", "value"]),
        Some("9434765919"),
        "GPCM-SD-035"
    );
    assert_eq!(
        patient.text(&["name", "use"]),
        Some("official"),
        "GPCM-SD-036"
    );
    assert_eq!(
        patient.text(&["birthDate"]),
        Some("1980-02-01"),
        "GPCM-SD-037"
    );
}

#[test]
fn what_is_wrong_is_told_by_its_code_and_what_could_be_read_stays_known() {
    let good = String::from_utf8(write(&message(), &id)).unwrap();
    for (from, to, code) in [
        ("<Bundle", "<!DOCTYPE x><Bundle", codes::UNREADABLE),
        ("</MessageHeader>", "</Header>", codes::UNREADABLE),
        (
            "<type value=\"message\"/>",
            "<type value=\"batch\"/>",
            codes::HEADER,
        ),
        (
            "Extension-ITK-MessageHandling-2",
            "Another",
            codes::HANDLING,
        ),
        (
            "<valueBoolean value=\"true\"/></extension><extension url=\"InfAck",
            "<valueBoolean value=\"yes\"/></extension><extension url=\"InfAck",
            codes::BUSINESS_FLAG,
        ),
        (
            "/MessageDefinition/ITK-",
            "/MessageDefinition/X-",
            codes::DEFINITION,
        ),
        (
            "<code value=\"FA\"/>",
            "<code value=\"XX\"/>",
            codes::RECIPIENT_TYPE,
        ),
        (
            "<type value=\"document\"/>",
            "<type value=\"batch\"/>",
            codes::PAYLOAD,
        ),
        ("<content value=\"", "<content value=\"!", codes::PAYLOAD),
        (
            "<subject><reference value=\"urn:uuid:",
            "<subject><reference value=\"urn:uuid:x",
            codes::PAYLOAD,
        ),
    ] {
        let wrong = good.replacen(from, to, 1);
        assert_ne!(wrong, good, "{from}");
        let unread = read(wrong.as_bytes(), &limits()).unwrap_err();
        assert_eq!(unread.code, code, "{from}: {}", unread.problem.message);
        let is_readable = code != codes::UNREADABLE && code != codes::HEADER;
        assert_eq!(unread.seen.header.is_empty(), !is_readable, "{from}");
    }
}
