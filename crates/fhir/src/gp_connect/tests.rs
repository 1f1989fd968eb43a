use crate::members::each;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::*;

/// A published example; said loudly where it is absent.
fn example(name: &str) -> Option<Value> {
    let shared = std::env::var_os("HANDOVER_SHARED").map(PathBuf::from);
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = shared.unwrap_or_else(beside);
    let path = folder
        .join("data/nhs/gpconnect-1.2-stu3/_includes")
        .join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(serde_json::from_str(&text).unwrap()),
        Err(_) => {
            eprintln!(
                "SKIPPED: there is no published example at {}",
                path.display()
            );
            None
        }
    }
}

fn at(text: &str) -> Millis {
    date::span(text).unwrap().low
}

fn parameters(text: &str) -> Vec<(String, String)> {
    let pair = |it: &str| {
        let (key, value) = it.split_once('=').unwrap();
        (key.to_string(), value.to_string())
    };
    text.split('&').map(pair).collect()
}

#[test]
fn times_are_those_of_the_uk() {
    for (utc, here) in [
        ("2017-05-30T09:00:00Z", "2017-05-30T10:00:00+01:00"),
        ("2027-03-28T00:59:59Z", "2027-03-28T00:59:59+00:00"),
        ("2027-03-28T01:00:00Z", "2027-03-28T02:00:00+01:00"),
        ("2027-10-31T00:59:59Z", "2027-10-31T01:59:59+01:00"),
        ("2027-10-31T01:00:00Z", "2027-10-31T01:00:00+00:00"),
        ("2026-12-31T23:30:00Z", "2026-12-31T23:30:00+00:00"),
    ] {
        assert_eq!(local(at(utc)), here);
    }
    let summer = uk_day("2027-06-01").unwrap();
    assert_eq!(summer.low, at("2027-05-31T23:00:00Z"));
    let change = uk_day("2027-03-28").unwrap();
    assert_eq!(change.high - change.low, 23 * HOUR);
    assert!(uk_day("2027-06").is_none());
}

#[test]
fn a_search_for_slots_that_is_not_whole_is_refused_with_its_parameter() {
    let whole = "start=ge2026-12-01&end=le2026-12-14&status=free&_include=Slot:schedule";
    let read = |text: &str| Asked::read(&parameters(text));
    let asked = read(whole).unwrap();
    assert_eq!(asked.within.from, at("2026-12-01T00:00:00Z"));
    assert_eq!(asked.within.until, at("2026-12-15T00:00:00Z"));
    let times = whole.replace("ge2026-12-01", "ge2026-12-01T09:30:00+00:00");
    assert!(read(&times).is_ok());
    assert!(
        read(&format!(
            "{whole}&searchFilter=https://x|urgent-care&_include=X:y"
        ))
        .is_ok()
    );
    for (old, new, named) in [
        ("start=ge2026-12-01&", "", "start"),
        ("ge2026-12-01", "2026-12-01", "start"),
        ("ge2026-12-01", "ge2026-12", "start"),
        ("le2026-12-14", "ge2026-12-14", "end"),
        ("le2026-12-14", "le2026-12-16", "two weeks"),
        ("le2026-12-14", "le2026-11-30", "before"),
        ("status=free", "status=busy", "status"),
        ("_include=Slot:schedule", "_include=x", "_include"),
        ("status=free", "status=free&searchFilter=x", "searchFilter"),
        ("status=free", "status=free&start=ge2026-12-02", "start"),
    ] {
        let wrong = read(&whole.replace(old, new)).unwrap_err();
        assert_eq!(wrong.trouble, Trouble::InvalidParameter);
        assert!(
            wrong.diagnostics.contains(named),
            "{new}: {}",
            wrong.diagnostics
        );
    }
}

#[test]
fn the_published_request_to_book_is_read_and_written_again() {
    let Some(published) = example("appointments/book_appt_request_example.json") else {
        return;
    };
    let read = read_wanted(&published).unwrap();
    assert_eq!(read.slots, ["1"]);
    assert_eq!((read.patient.as_str(), read.location.as_str()), ("1", "32"));
    assert_eq!(read.starts, at("2017-05-30T09:00:00Z"));
    assert_eq!(read.booked_by.ods, "A00001");
    assert_eq!(wanted(&read), published);
}

#[test]
fn the_published_answers_are_read_and_an_appointment_is_answered_in_their_shape() {
    for name in [
        "book_appt_response_example.json",
        "amend_appt_response_example.json",
        "cancel_appt_response_example.json",
        "read_appt_response_example.json",
    ] {
        let Some(published) = example(&format!("appointments/{name}")) else {
            return;
        };
        let seen = super::read(&published).unwrap();
        let visit = Visit {
            id: seen.id.clone(),
            version: seen.version.parse().unwrap(),
            status: seen.status.clone(),
            starts: seen.starts,
            ends: seen.ends,
            created: at(text(&published, "/created")),
            patient: seen.patient.clone(),
            location: "32".into(),
            slots: seen.slots.clone(),
            kind: text(&published, "/serviceType/0/text").into(),
            practitioner: None,
            description: text(&published, "/description").into(),
            comment: text(&published, "/comment").into(),
            cancelled: seen.cancelled.clone(),
            booked_by: BookedBy::of(&published),
        };
        let answered = appointment(&visit);
        for place in [
            "/meta",
            "/status",
            "/start",
            "/end",
            "/created",
            "/slot",
            "/serviceType",
            "/description",
            "/comment",
            "/participant/0",
        ] {
            assert_eq!(
                answered.pointer(place),
                published.pointer(place),
                "{name} {place}"
            );
        }
        assert_eq!(super::read(&answered).unwrap(), seen, "{name}");
    }
}

#[test]
fn the_published_free_slots_are_read_with_whom_and_where() {
    let Some(published) = example("appointments/search_for_free_slots_response_example.json")
    else {
        return;
    };
    let found = offered(&published);
    assert_eq!(found.len(), 2);
    assert_eq!(found[1].kind, "NHS Health Check");
    assert_eq!(found[0].with, "Mrs Sarah Black");
    assert_eq!(found[0].location, "17");
    assert_eq!(found[0].starts, at("2016-08-15T10:30:00Z"));
}

/// What is answered is read as it was meant, by the other half of this module.
#[test]
fn free_slots_come_back_as_they_were_offered() {
    let free = Free {
        id: "s1".into(),
        version: 3,
        schedule: "d".into(),
        starts: at("2027-06-01T09:00:00Z"),
        ends: at("2027-06-01T09:10:00Z"),
        kind: "Blood test".into(),
        with: "Nurse Obi".into(),
        practitioner: "p".into(),
    };
    let place = Place {
        ods: "A81001",
        name: "Willow Road Surgery",
    };
    let text = "start=ge2027-06-01&end=le2027-06-02&status=free&_include=Slot:schedule&_include:recurse=Schedule:actor:Practitioner";
    let asked = Asked::read(&parameters(text)).unwrap();
    let answer = free_slots(std::slice::from_ref(&free), place, &asked);
    let found = offered(&answer);
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].with.as_str(), found[0].location.as_str()),
        ("Nurse Obi", "A81001")
    );
    assert_eq!((found[0].starts, found[0].ends), (free.starts, free.ends));
    let types: Vec<&str> = each(&answer, "/entry")
        .map(|it| super::text(it, "/resource/resourceType"))
        .collect();
    assert_eq!(types, ["Slot", "Schedule", "Practitioner", "Organization"]);
    assert_eq!(free_slots(&[], place, &asked)["entry"], json!([]));
}

fn visit() -> Value {
    json!({
        "resourceType": "Appointment",
        "meta": { "profile": ["https://fhir.nhs.uk/STU3/StructureDefinition/GPConnect-Appointment-1"] },
        "contained": [{
            "resourceType": "Organization", "id": "1", "name": "Anytown hospital",
            "identifier": [{ "system": ODS, "value": "RZZ01" }],
            "telecom": [{ "system": "phone", "value": "0300 000 0000" }],
        }],
        "extension": [{ "url": BOOKED_BY, "valueReference": { "reference": "#1" } }],
        "status": "booked",
        "description": "Sore foot",
        "start": "2027-06-01T10:00:00+01:00",
        "end": "2027-06-01T10:10:00+01:00",
        "slot": [{ "reference": "Slot/s1" }],
        "created": "2027-05-01T10:10:00+01:00",
        "participant": [
            { "actor": { "reference": "Patient/una" }, "status": "accepted" },
            { "actor": { "reference": "Location/A81001" }, "status": "accepted" },
        ],
    })
}

#[test]
fn a_request_to_book_that_is_not_whole_names_what_is_missing() {
    assert!(read_wanted(&visit()).is_ok());
    let without = |place: &str| {
        let mut it = visit();
        it.as_object_mut().unwrap().remove(place);
        it
    };
    for name in [
        "status",
        "start",
        "end",
        "slot",
        "created",
        "participant",
        "extension",
        "contained",
        "description",
        "meta",
    ] {
        let wrong = read_wanted(&without(name)).unwrap_err();
        assert_eq!(wrong.trouble, Trouble::InvalidResource, "{name}");
    }
    for (place, value) in [
        ("id", json!("9")),
        ("reason", json!([{ "text": "x" }])),
        ("specialty", json!([])),
        ("status", json!("pending")),
        ("description", json!("x".repeat(101))),
        ("comment", json!("x".repeat(501))),
        ("slot", json!([{ "reference": "Slot/../x" }])),
        ("slot", json!([{ "reference": "Patient/una" }])),
        ("participant", json!([{ "status": "accepted" }])),
        ("start", json!("soon")),
        (
            "contained",
            json!([{ "resourceType": "Organization", "id": "1", "name": "x" }]),
        ),
    ] {
        let mut it = visit();
        it[place] = value;
        assert!(read_wanted(&it).is_err(), "{place}");
    }
}

#[test]
fn only_words_are_amended_and_only_status_and_reason_cancelled() {
    let wanted = read_wanted(&visit()).unwrap();
    let known = Visit {
        id: "9".into(),
        version: 2,
        status: "booked".into(),
        starts: wanted.starts,
        ends: wanted.ends,
        created: wanted.created,
        patient: "una".into(),
        location: "A81001".into(),
        slots: vec!["s1".into()],
        kind: String::new(),
        practitioner: None,
        description: "Sore foot".into(),
        comment: String::new(),
        cancelled: String::new(),
        booked_by: Some(wanted.booked_by),
    };
    let stands = appointment(&known);
    let change = |edit: &dyn Fn(&mut Value)| {
        let mut it = stands.clone();
        edit(&mut it);
        read_change(&it, &known)
    };
    let words = change(&|it| it["comment"] = json!("Ring first")).unwrap();
    assert_eq!(
        words,
        Change::Words {
            description: "Sore foot".into(),
            comment: "Ring first".into()
        }
    );
    let ended = read_change(&cancel(&stands, "Better"), &known).unwrap();
    assert_eq!(
        ended,
        Change::Cancelled {
            reason: "Better".into()
        }
    );
    for (place, value) in [
        ("start", json!("2027-06-01T11:00:00+01:00")),
        ("slot", json!([{ "reference": "Slot/other" }])),
        ("id", json!("8")),
        ("status", json!("cancelled")),
        ("status", json!("noshow")),
        (
            "participant",
            json!([{ "actor": { "reference": "Patient/other" } }]),
        ),
        ("extension", json!([])),
    ] {
        let wrong = change(&|it| it[place] = value.clone());
        assert!(wrong.is_err(), "{place}");
    }
    let mut both = cancel(&stands, "Better");
    both["comment"] = json!("and more");
    assert!(read_change(&both, &known).is_err());
}

#[test]
fn a_refusal_is_told_and_read_again() {
    let refusal = Refusal::new(Trouble::Duplicate, "The slot is taken.");
    let outcome = refusal.outcome();
    let (code, words) = Refusal::said(&outcome);
    assert_eq!(
        (code.as_str(), words.as_str()),
        ("DUPLICATE_REJECTED", "The slot is taken.")
    );
    assert_eq!(Trouble::Duplicate.status(), 409);
    assert_eq!(Refusal::said(&Value::Null), (String::new(), String::new()));
}
