//! A signed discharge as a Transfer of Care document, held against what is published of them, and read back.

use access::{NhsNumber, Ods};
use fhir::date::Millis;
use fhir::itk3::{Body, Care, Document, Part};
use fhir::json::Limits;
use fhir::problem::{Kind, Problem};
use fhir::xml::tree::{self, Element};
use serde_json::json;
use store::itk3::{Read, ToSend};
use store::parcels::Named;

use super::super::make::{self, Sender};
use super::super::{Arrived, SEND_DOCUMENT, TAKEN, read};
use super::{HEADER, MAILBOX, PRACTICE};
use crate::discharge::tests::whole;
use crate::discharge::{
    Amends, Discharge, Fate, Hidden, Medicine, Reader, Section, letter, sections,
};

const BUNDLE: &str = "0bcb5098-ce5a-4a85-a547-2574f90310e4";
const EARLIER: &str = "846ebe66-5ff8-4499-bc57-a112d3d0daa3";
/// 2026-01-05T08:00:00Z
const SIGNED: Millis = 1_767_600_000_000;
const WITHHELD: &str = "was withheld from whoever wrote this letter";

/// What is tried of a discharge elsewhere, with words that a document could spoil.
fn written() -> Discharge {
    let mut it = Discharge {
        diagnoses: "Pneumonia <right> & \"left\"\n\nOld age".into(),
        procedures: String::new(),
        course: "Diagnoses\n---------\nShe got   better.".into(),
        allergies: "Penicillin: rash\nLatex".into(),
        practice: PRACTICE.into(),
        social_care: String::new(),
        ..whole()
    };
    it.medicines[1].name = "Doxycycline, 100mg".into();
    it
}

fn told(it: &Discharge) -> Vec<Section> {
    let hidden = Hidden {
        allergies: true,
        medicines: true,
        ..Hidden::default()
    };
    sections(it, Reader::Practice, hidden, &|ods: &str| {
        format!("The {ods}")
    })
}

/// The letter as it was signed.
fn text(it: &Discharge) -> String {
    let patient = json!({
        "name": [{"family": "Ash", "given": ["Una"]}], "birthDate": "1980-02-01",
        "identifier": [{"system": NhsNumber::SYSTEM, "value": "9434765919"}],
        "address": [{"line": ["1 Canary Row"]}],
    });
    let (to, from) = (
        format!("Practice ({PRACTICE})"),
        "Anytown Hospital (RZZ98)".to_owned(),
    );
    let ends = (Reader::Practice, to.as_str(), from.as_str());
    letter(ends, &patient, &told(it), ("Dr Bo", SIGNED))
}

fn to_send(workflow: &str) -> ToSend {
    ToSend {
        number: 1,
        pid: 1,
        ods: PRACTICE.into(),
        mailbox: MAILBOX.into(),
        workflow: workflow.into(),
        bundle: BUNDLE.into(),
        header: HEADER.into(),
        replaced: String::new(),
        tries: 0,
        id: "l1".into(),
        title: "Discharge summary".into(),
        author: "Dr Bo".into(),
        marked: false,
        named: Named {
            nhs_number: Some("9434765919".into()),
            birth_date: Some("1980-02-01".into()),
            family: "Ash".into(),
            given: "Una".into(),
        },
        made_at: SIGNED,
        parts: Vec::new(),
        patient: None,
        document: None,
    }
}

fn made(letter: &ToSend, text: &str, definition: Option<&str>) -> Result<Vec<u8>, Problem> {
    let sender = Sender {
        ods: "RZZ98",
        name: "Anytown Hospital",
        telephone: "0113 496 0000",
        mailbox: "RZZ98OT001",
        discharge_definition: definition,
    };
    let part = Part {
        content_type: "text/plain; charset=utf-8".into(),
        bytes: text.as_bytes().to_vec(),
    };
    make::message(&sender, letter, vec![part]).map(|(bytes, _)| bytes)
}

fn limits() -> Limits {
    super::super::limits(1 << 20)
}

fn document(bytes: &[u8]) -> Document {
    match fhir::itk3::read(bytes, &limits()).unwrap().body {
        Body::Document(document) => *document,
        Body::Response(other) => panic!("{other:?}"),
    }
}

/// The resource of a Bundle's entry.
fn resource(bundle: &Element, at: usize) -> &Element {
    let entry = bundle.all("entry").nth(at).unwrap();
    &entry.child("resource").unwrap().children[0]
}

fn named<'e>(bundle: &'e Element, name: &str) -> Vec<&'e Element> {
    let count = bundle.all("entry").count();
    let all = (0..count).map(|at| resource(bundle, at));
    all.filter(|it| it.name == name).collect()
}

fn profile(it: &Element) -> &str {
    it.text(&["meta", "profile"]).unwrap_or_default()
}

/// Each element of a tree, outer ones first.
fn every<'e>(it: &'e Element, all: &mut Vec<&'e Element>) {
    all.push(it);
    for child in &it.children {
        every(child, all);
    }
}

/// What is published of each: its workflow, event, MessageDefinition, Composition, type and class.
const PUBLISHED: [[&str; 7]; 4] = [
    [
        "TOC_FHIR_IP_DISCH",
        "ITK003D",
        "ITK eDischarge",
        "ITK-eDischarge-MessageDefinition-4",
        "CareConnect-ITK-EDIS-Composition-1",
        "373942005",
        "IMP",
    ],
    [
        "TOC_FHIR_MH_DISCH",
        "ITK004D",
        "ITK Mental Health eDischarge",
        "ITK-MH-eDischarge-MessageDefinition-1",
        "CareConnect-ITK-MH-Composition-1",
        "373942005",
        "IMP",
    ],
    [
        "TOC_FHIR_EC_DISCH",
        "ITK005D",
        "ITK Emergency Care eDischarge",
        "ITK-EC-eDischarge-MessageDefinition-1",
        "CareConnect-ITK-EC-Composition-1",
        "373942005",
        "EMER",
    ],
    [
        "TOC_FHIR_OP_ATTEN",
        "ITK006D",
        "ITK Outpatient Letter",
        "ITK-OPL-MessageDefinition-4",
        "CareConnect-ITK-OPL-Composition-1",
        "823681000000100",
        "AMB",
    ],
];

#[test]
fn each_of_the_four_has_the_event_definition_profile_and_type_that_are_published() {
    for [workflow, event, display, definition, composition, ty, class] in PUBLISHED {
        assert!(TAKEN.contains(&workflow), "its responses are collected");
        let bytes = made(&to_send(workflow), &text(&written()), None).unwrap();
        let tree = tree::parse(&bytes, &limits()).unwrap();
        let header = resource(&tree, 0);
        assert!(profile(header).ends_with("/ITK-MessageHeader-2"));
        let coding = |path: &str| header.text(&["event", path]);
        let system = "https://fhir.nhs.uk/STU3/CodeSystem/ITK-MessageEvent-2";
        assert_eq!(coding("system"), Some(system));
        assert_eq!(coding("code"), Some(event));
        assert_eq!(coding("display"), Some(display));
        let outer = header.child("extension").unwrap();
        let said = |url: &str, path: &[&str]| {
            let mut all = outer.all("extension");
            let found = all.find(|it| it.url.as_deref() == Some(url)).unwrap();
            found.text(path).unwrap().to_owned()
        };
        assert_eq!(said("BusAckRequested", &["valueBoolean"]), "true");
        assert_eq!(said("InfAckRequested", &["valueBoolean"]), "true");
        assert_eq!(said("RecipientType", &["valueCoding", "code"]), "FA");
        assert_eq!(said("SenderReference", &["valueString"]), "l1");
        assert_eq!(said("LocalExtension", &["valueString"]), "None");
        let address = format!("https://fhir.nhs.uk/STU3/MessageDefinition/{definition}");
        let path = ["valueReference", "reference"];
        assert_eq!(said("MessageDefinition", &path), address);
        let bundle = resource(&tree, 2);
        assert!(profile(bundle).ends_with("/ITK-Document-Bundle-1"));
        assert_eq!(bundle.text(&["type"]), Some("document"));
        let first = resource(bundle, 0);
        assert_eq!(first.name, "Composition", "it is the first entry");
        let url = format!("https://fhir.nhs.uk/STU3/StructureDefinition/{composition}");
        assert_eq!(profile(first), url);
        assert_eq!(first.text(&["type", "coding", "code"]), Some(ty));
        let [stay] = named(bundle, "Encounter")[..] else {
            panic!("there is one stay")
        };
        assert_eq!(stay.text(&["class", "code"]), Some(class));
        assert!(profile(stay).ends_with("/CareConnect-ITK-Encounter-1"));
        let period = |end| stay.text(&["period", end]);
        assert_eq!(period("start"), Some("2026-11-20"));
        assert_eq!(period("end"), Some("2026-11-29"));
    }
    let other = "https://fhir.nhs.uk/STU3/MessageDefinition/ITK-OPL-MessageDefinition-9";
    let bytes = made(
        &to_send("TOC_FHIR_OP_ATTEN"),
        &text(&written()),
        Some(other),
    );
    let message = fhir::itk3::read(&bytes.unwrap(), &limits()).unwrap();
    assert_eq!(message.header.definition, other);
}

#[test]
fn the_composition_has_what_must_be_there_in_the_order_of_stu3() {
    let bytes = made(&to_send("TOC_FHIR_IP_DISCH"), &text(&written()), None).unwrap();
    let tree = tree::parse(&bytes, &limits()).unwrap();
    let bundle = resource(&tree, 2);
    let composition = resource(bundle, 0);
    let mut order: Vec<&str> = composition
        .children
        .iter()
        .map(|it| it.name.as_str())
        .collect();
    order.dedup();
    assert_eq!(
        order,
        [
            "id",
            "meta",
            "text",
            "identifier",
            "status",
            "type",
            "subject",
            "encounter",
            "date",
            "author",
            "title",
            "confidentiality",
            "custodian",
            "section"
        ]
    );
    assert_eq!(composition.text(&["status"]), Some("final"));
    assert_eq!(composition.text(&["identifier", "value"]), Some(BUNDLE));
    assert_eq!(composition.text(&["confidentiality"]), Some("N"));
    // The practice is the patient's, and is in the document.
    let [patient] = named(bundle, "Patient")[..] else {
        panic!("there is one patient")
    };
    assert!(
        patient
            .text(&["generalPractitioner", "reference"])
            .is_some()
    );
    let organisations = named(bundle, "Organization");
    let codes: Vec<_> = organisations
        .iter()
        .map(|it| (it.text(&["identifier", "value"]), it.text(&["name"])))
        .collect();
    let practice = (Some(PRACTICE), Some("Practice"));
    assert_eq!(codes, [(Some("RZZ98"), Some("Anytown Hospital")), practice]);
    assert_eq!(named(bundle, "Practitioner").len(), 1);
    assert!(
        named(bundle, "Binary").is_empty(),
        "the letter's text is in the sections"
    );
    let mut restricted = to_send("TOC_FHIR_IP_DISCH");
    restricted.marked = true;
    let bytes = made(&restricted, &text(&written()), None).unwrap();
    assert!(document(&bytes).restricted);
    let xml = String::from_utf8(bytes).unwrap();
    assert!(
        !xml.contains("Canary Row"),
        "nothing that is not in the letter"
    );
}

/// The headings that each has beside those that all have.
const HEADINGS: [(&str, &[(&str, &str)]); 4] = [
    (
        "TOC_FHIR_IP_DISCH",
        &[
            ("Admission details", "886781000000108"),
            ("Discharge details", "886811000000106"),
            ("Clinical summary", "887181000000106"),
            ("Individual requirements", "1078911000000106"),
            ("Distribution list", "887261000000109"),
        ],
    ),
    (
        "TOC_FHIR_MH_DISCH",
        &[
            ("Admission details", "886781000000108"),
            ("Discharge details", "886811000000106"),
            ("Clinical summary", "887181000000106"),
            ("Individual requirements", "1052901000000109"),
            ("Distribution list", "887261000000109"),
        ],
    ),
    (
        "TOC_FHIR_EC_DISCH",
        &[
            ("Attendance details", "1077881000000105"),
            ("Discharge details", "886811000000106"),
            ("Clinical narrative", "1077901000000108"),
            ("Contact for further information", "1077931000000102"),
            ("Presenting complaints or issues", "886891000000102"),
        ],
    ),
    (
        "TOC_FHIR_OP_ATTEN",
        &[
            ("Attendance details", "1077881000000105"),
            ("Clinical summary", "887181000000106"),
            ("Individual requirements", "1078911000000106"),
            ("Distribution list", "887261000000109"),
        ],
    ),
];

#[test]
fn the_headings_of_each_are_those_that_are_published_each_once() {
    let always = [
        ("Patient demographics", "886731000000109"),
        ("GP practice", "886711000000101"),
        ("Diagnoses", "887161000000102"),
        ("Allergies and adverse reactions", "886921000000105"),
        ("Medications and medical devices", "933361000000108"),
        ("Plan and requested actions", "887201000000105"),
        ("Information and advice given", "1052951000000105"),
        ("Person completing record", "887231000000104"),
        ("Procedures", "887171000000109"),
    ];
    for (workflow, own) in HEADINGS {
        let bytes = made(&to_send(workflow), &text(&written()), None).unwrap();
        let tree = tree::parse(&bytes, &limits()).unwrap();
        let composition = resource(resource(&tree, 2), 0);
        let mut found: Vec<(&str, &str)> = Vec::new();
        for section in composition.all("section") {
            let code = |name| section.text(&["code", "coding", name]).unwrap();
            assert_eq!(code("system"), "http://snomed.info/sct");
            let title = section.text(&["title"]).unwrap();
            assert_eq!(code("display"), title);
            found.push((title, code("code")));
            let said = section.child("text").and_then(|it| it.child("div"));
            assert!(!said.unwrap().prose.is_empty(), "{title}");
        }
        found.sort_unstable();
        let mut expected: Vec<(&str, &str)> = always.into_iter().chain(own.to_vec()).collect();
        expected.sort_unstable();
        assert_eq!(found, expected, "{workflow}");
    }
}

#[test]
fn every_reference_leads_to_something_and_nothing_is_empty() {
    for care in Care::ALL {
        let mut letter = to_send(care.workflow());
        letter.replaced = EARLIER.into();
        let bytes = made(&letter, &text(&written()), None).unwrap();
        assert!(bytes.starts_with(b"<Bundle xmlns=\"http://hl7.org/fhir\">"));
        let again = made(&letter, &text(&written()), None).unwrap();
        assert_eq!(bytes, again, "the same letter is the same bytes");
        let tree = tree::parse(&bytes, &limits()).unwrap();
        let mut all = Vec::new();
        every(&tree, &mut all);
        let mut addresses = Vec::new();
        for entry in all.iter().filter(|it| it.name == "entry") {
            // A section's entries are references.
            let Some(address) = entry.text(&["fullUrl"]) else {
                continue;
            };
            let id = address.strip_prefix("urn:uuid:").unwrap();
            assert!(uuid::Uuid::parse_str(id).is_ok(), "{id}");
            let resource = &entry.child("resource").unwrap().children[0];
            assert_eq!(resource.text(&["id"]), Some(id), "{}", resource.name);
            assert!(!profile(resource).is_empty(), "{}", resource.name);
            assert!(!addresses.contains(&address), "{address} is there twice");
            addresses.push(address);
        }
        let references = all.iter().filter(|it| it.name == "reference");
        for it in references {
            let reference = it.value.as_deref().unwrap();
            let is_definition = reference.contains("/MessageDefinition/");
            assert!(
                is_definition || addresses.contains(&reference),
                "{reference}"
            );
        }
        for it in all {
            let says = it.value.as_ref().is_some_and(|it| !it.trim().is_empty());
            let holds = says || !it.children.is_empty() || !it.prose.is_empty();
            assert!(holds, "{} is empty", it.name);
        }
    }
}

fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_is_written_is_taken_in_with_the_same_words() {
    for care in Care::ALL {
        let it = written();
        let bytes = made(&to_send(care.workflow()), &text(&it), None).unwrap();
        let arrived = Arrived {
            outside: "M1".into(),
            mailbox: "RZZ98OT001".into(),
            to: "GPPROVIDER_9434765919_19800201_Ash".into(),
            workflow: care.workflow().into(),
            subject: String::new(),
            received_at: SIGNED + 60_000,
        };
        let message = fhir::itk3::read(&bytes, &limits());
        let new = read(&arrived, bytes, message, &Ods::parse(PRACTICE).unwrap());
        assert_eq!(
            (new.document.as_str(), new.practice.as_str()),
            (BUNDLE, PRACTICE)
        );
        assert!(new.wants_business && new.wants_infrastructure);
        let Read::Letter { letter, replaces } = new.read else {
            panic!("it is no letter")
        };
        assert_eq!(replaces, None);
        assert_eq!(letter.parcel.title, "Discharge summary");
        let [content] = &letter.contents[..] else {
            panic!("it is one text")
        };
        let said = String::from_utf8(content.clone()).unwrap();
        for line in [
            "Patient: ASH, Una",
            "NHS number: 9434765919",
            "Born: 1980-02-01",
            "Practice (A99998)",
            "Signed by: Dr Bo, 2026-01-05T08:00:00",
            "Of: Anytown Hospital (RZZ98)",
            "Telephone: 0113 496 0000",
        ] {
            assert!(said.contains(line), "{line}: {said}");
        }
        let medicines = "Medications and medical devices\n\
             What became of it | Medicine and dose | Why\n\
             Started | Doxycycline, 100mg, one a day | pneumonia\n\
             Changed | Ramipril, one a day | low pressure\n\
             Stopped | Amoxicillin, one a day | allergy\n\
             Continued without change | Aspirin, one a day | -\n\
             Some of what";
        assert!(said.contains(medicines), "{said}");
        let allergies = "Allergies and adverse reactions\nAllergy or adverse reaction\n\
             Penicillin: rash\nLatex\nSome of what";
        assert!(said.contains(allergies), "{said}");
        assert_eq!(said.matches(WITHHELD).count(), 2);
        assert!(said.contains("Diagnoses\nPneumonia <right> & \"left\"\nOld age"));
        // Every line of every heading, but for the medicines, which stand in their table.
        for section in told(&it) {
            let lines = section.text.lines().map(plain);
            let lines = lines.filter(|line| !line.is_empty());
            if section.heading != "Medications and medical devices" {
                for line in lines {
                    assert!(said.contains(&line), "{line}: {said}");
                }
            }
        }
    }
}

#[test]
fn an_amended_discharge_takes_the_place_of_the_earlier_one() {
    let mut it = written();
    it.amends = Some(Box::new(Amends {
        medicines: vec![Medicine {
            name: "Aspirin".into(),
            dose: "two a day".into(),
            fate: Fate::Continued,
            reason: String::new(),
        }],
        signed: "2026-11-29".into(),
        why: "A dose was wrong".into(),
        practice: PRACTICE.into(),
        ..Amends::default()
    }));
    let mut letter = to_send("TOC_FHIR_IP_DISCH");
    letter.replaced = EARLIER.into();
    let bytes = made(&letter, &text(&it), None).unwrap();
    let tree = tree::parse(&bytes, &limits()).unwrap();
    let composition = resource(resource(&tree, 2), 0);
    let relation = composition.child("relatesTo").unwrap();
    assert_eq!(relation.text(&["code"]), Some("replaces"));
    let target = relation.text(&["targetIdentifier", "value"]);
    assert_eq!(target, Some(EARLIER));
    let read = document(&bytes);
    assert_eq!(
        (read.id.as_str(), read.replaces.as_deref()),
        (BUNDLE, Some(EARLIER))
    );
    let new = "Clinical summary\nNew version\nThis takes the place of the letter of 2026-11-29. Why: A dose was wrong\n\
               Clinical summary\nDiagnoses\n---------\nShe got better.";
    assert!(read.narrative.contains(new), "{}", read.narrative);
    let changed = "Medicines changed since the first version\n";
    assert!(read.narrative.contains(changed), "{}", read.narrative);
    let line = "* Aspirin: was continued, two a day; now continued, one a day";
    assert!(read.narrative.contains(line), "{}", read.narrative);
}

/// Of others' documents too it is the Composition's identifier that a later one names.
#[test]
fn a_document_of_others_is_known_by_its_composition() {
    let bytes = made(&to_send("TOC_FHIR_IP_DISCH"), &text(&written()), None).unwrap();
    let xml = String::from_utf8(bytes).unwrap();
    let own = format!("<value value=\"{BUNDLE}\"/></identifier><status value=\"final\"/>");
    let other = own.replace(BUNDLE, EARLIER);
    let changed = xml.replace(&own, &other);
    assert_ne!(changed, xml);
    assert_eq!(document(changed.as_bytes()).id, EARLIER);
}

#[test]
fn a_letter_that_is_no_discharge_is_never_written_as_one() {
    let plain = "Dear colleague,\n\nthank you for seeing her.";
    let refused = made(&to_send("TOC_FHIR_IP_DISCH"), plain, None).unwrap_err();
    assert_eq!(refused.kind, Kind::Value);
    let bytes = made(&to_send(SEND_DOCUMENT), plain, None).unwrap();
    let message = fhir::itk3::read(&bytes, &limits()).unwrap();
    assert_eq!(message.header.event, "ITK007C");
    let read = document(&bytes);
    assert!(read.narrative.is_empty() && read.practice.is_empty());
    assert_eq!(read.parts[0].bytes, plain.as_bytes());
    // And a discharge to who takes none goes as its text.
    let bytes = made(&to_send(SEND_DOCUMENT), &text(&written()), None).unwrap();
    assert_eq!(
        document(&bytes).parts[0].bytes,
        text(&written()).into_bytes()
    );
}
