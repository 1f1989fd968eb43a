//! Messages of BaRS as they leave, held to the published ones.

use access::Ods;
use fhir::members::{each, text};
use serde_json::Value;
use store::referrals::ReferralState;

use super::bars_make::{Telling, uuid_of};
use super::{Act, ReferralText, Request};
use crate::bars::Service;
use crate::letter::LetterContent;
use crate::manifest::PatientNamed;

fn made(act: Act) -> Value {
    let (own, ods) = (Ods::parse("A81001").unwrap(), Ods::parse("RYE").unwrap());
    let to = Service {
        ods,
        name: "Receiver".into(),
        url: "https://x.example".into(),
        service: "111111111".into(),
        token: "t".into(),
    };
    let request = Request {
        service: "Cardiology".into(),
        urgency: "urgent".into(),
        reason: "Chest pain".into(),
        question: String::new(),
        referrer: "Dr Ann Bell".into(),
    };
    let step = ReferralText {
        act,
        referral: "r1".into(),
        number: 1,
        at: 1_700_000_000_000,
        by: "Dr Ann Bell".into(),
        role: "clinician".into(),
        words: String::new(),
        request: None,
        promised_by: None,
        appointment: None,
    };
    let patient = PatientNamed {
        nhs_number: Some("9990000018".into()),
        birth_date: Some("1951-03-04".into()),
        family: "Tester".into(),
        given: "Amina Jane".into(),
    };
    let enclosed = [LetterContent {
        content_type: "text/plain".into(),
        bytes: b"Summary".to_vec(),
    }];
    Telling {
        id: &uuid_of(&["m"]),
        from: (&own, "Anytown"),
        to: &to,
        endpoint: "https://fhir.nhs.uk/Id/dos-service-id|1",
        asked_as: "r1",
        patient: &patient,
        request: &request,
        step: &step,
        state: match act {
            Act::Return | Act::Withdraw => ReferralState::Returned,
            _ => ReferralState::Waiting,
        },
        enclosed: &enclosed,
        answers: if act.is_receivers() { "m0" } else { "" },
    }
    .bundle()
}

/// Every place of a value, without the numbers of items.
fn places(value: &Value, at: &str, into: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, it) in members {
                let at = format!("{at}/{name}");
                into.push(at.clone());
                places(it, &at, into);
            }
        }
        Value::Array(items) => items.iter().for_each(|it| places(it, at, into)),
        _ => {}
    }
}

fn entry<'b>(bundle: &'b Value, kind: &str) -> &'b Value {
    let mut found = each(bundle, "/entry").filter_map(|it| it.get("resource"));
    found
        .find(|it| text(it, "/resourceType") == kind)
        .unwrap_or(&Value::Null)
}

#[test]
fn a_message_is_the_same_each_time_refers_only_to_what_is_in_it_and_is_sound_fhir() {
    for act in [Act::Refer, Act::Reply, Act::Withdraw, Act::Ask, Act::Return] {
        let bundle = made(act);
        assert_eq!(bundle, made(act), "the same bytes at every try");
        let urls: Vec<&str> = each(&bundle, "/entry")
            .map(|it| text(it, "/fullUrl"))
            .collect();
        let mut distinct = urls.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), urls.len());
        let written = bundle.to_string();
        for reference in written.split("\"reference\":\"").skip(1) {
            let reference = reference.split('"').next().unwrap();
            assert!(urls.contains(&reference), "{reference}");
        }
        for one in each(&bundle, "/entry") {
            let resource = &one["resource"];
            let body = resource.to_string();
            let parsed = fhir::json::parse(body.as_bytes(), &fhir::json::Limits::default());
            assert!(parsed.is_ok(), "{body}");
        }
    }
}

/// The published examples; the test says so loudly where they are absent.
#[test]
fn a_message_says_in_the_published_places_what_the_published_one_says() {
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/nhs/bars");
    let folder = folder.join("specification/examples/process_message/request");
    for (file, act) in [
        ("ValidationRequest (POST) .json", Act::Refer),
        ("ValidationResponse (POST) .json", Act::Ask),
    ] {
        let Ok(bytes) = std::fs::read(folder.join(file)) else {
            eprintln!("SKIPPED: the published examples of BaRS are not here");
            return;
        };
        let published: Value = serde_json::from_slice(&bytes).unwrap();
        let own = made(act);
        let header = (
            "MessageHeader",
            ["/extension", "/source/contact", "/id"].as_slice(),
        );
        // Where the patient is, and what triage said, is of emergencies.
        let asked = (
            "ServiceRequest",
            ["/basedOn", "/occurrencePeriod", "/locationReference"].as_slice(),
        );
        for (kind, without) in [header, asked] {
            let (mut theirs, mut ours) = (Vec::new(), Vec::new());
            places(entry(&published, kind), "", &mut theirs);
            places(entry(&own, kind), "", &mut ours);
            for place in theirs {
                let is_left_out = without.iter().any(|it| place.starts_with(it));
                assert!(is_left_out || ours.contains(&place), "{file} {kind}{place}");
            }
        }
        for place in ["/eventCoding", "/reason/coding/0/system"] {
            let of = |bundle| entry(bundle, "MessageHeader").pointer(place).cloned();
            assert_eq!(of(&own), of(&published), "{place}");
        }
        assert_eq!(own["type"], published["type"]);
        assert_eq!(own["meta"]["profile"], published["meta"]["profile"]);
        for kind in [
            "Encounter",
            "Patient",
            "Practitioner",
            "PractitionerRole",
            "Consent",
            "HealthcareService",
        ] {
            assert!(!entry(&own, kind).is_null(), "{kind}");
        }
    }
}
