//! What was sent by BaRS is changed and ended at its own address, as the published API lists it, at a real node that is killed in
//! between.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::bars::{ask, booking, count};
use crate::client::http::Answer;
use crate::node::neighbourhood::Site;
use crate::referrals::{doctor, message, process, set_up};

const IDS: [(&str, &str); 2] = [("X-Request-ID", "r-1"), ("X-Correlation-ID", "c-1")];

/// A request of that organisation, under that id.
fn change(
    site: &Site,
    (method, path): (&str, &str),
    (sender, id, version): (&str, &str, Option<&str>),
    body: &Value,
) -> Answer {
    let plain = STANDARD.encode(br#"{"value":"x"}"#);
    let organisation = json!({ "identifier": [{ "value": sender }], "name": "Far Away Surgery" });
    let organisation = STANDARD.encode(organisation.to_string());
    let mut headers = vec![
        ("content-type", "application/fhir+json"),
        ("X-Request-ID", id),
        ("X-Correlation-ID", "c-1"),
        ("NHSD-Target-Identifier", plain.as_str()),
        ("NHSD-End-User-Organisation", organisation.as_str()),
        ("NHSD-Requesting-Software", plain.as_str()),
    ];
    headers.extend(version.map(|it| ("If-Match", it)));
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    let path = format!("/bars/FHIR/R4/{path}");
    let client = &mut site.client();
    client
        .request(method, &path, &headers, body.as_bytes())
        .unwrap()
}

fn publish(site: &Site, at: &str) -> String {
    let slot = json!({
        "resourceType": "Slot", "status": "free",
        "meta": { "tag": [{ "system": "urn:handover:bookable-by", "code": "organisations" }] },
        "serviceType": [{ "text": "Clinic" }],
        "schedule": { "display": "Dr Shah" },
        "start": format!("{at}:00Z"), "end": format!("{at}:20Z"),
    });
    let made = site
        .client()
        .send_json("POST", "/fhir/Slot", &slot)
        .unwrap();
    assert_eq!(made.status, 201, "{}", made.text());
    made.json()["id"].as_str().unwrap().to_owned()
}

fn code(answer: &Answer) -> (u16, String) {
    let json = answer.json();
    let code = json["issue"][0]["code"].as_str().unwrap_or_default();
    (answer.status, code.to_owned())
}

#[test]
fn an_appointment_is_changed_moved_and_cancelled_at_its_address_by_who_booked_it_once() {
    let mut nodes = set_up();
    let site = &mut nodes.hospital;
    site.process.start();
    let slot = publish(site, "2099-03-02T10:00");
    let other = publish(site, "2099-03-02T11:00");
    let new = booking("b-1", ("appointment-1", "booked", &slot));
    let booked = process(site, &new, &IDS);
    assert_eq!(booked.status, 200, "{}", booked.text());
    let id = booked.json()["entry"][1]["resource"]["id"].clone();
    let path = format!("Appointment/{}", id.as_str().unwrap());
    let read = ask(site, &format!("/bars/FHIR/R4/{path}"));
    let first = read.header("etag").unwrap().to_owned();
    let mut whole = read.json();

    // What others booked does not exist for them, and a version that is gone is told.
    let patch =
        |text: &str| json!({ "resourceType": "Appointment", "status": "booked", "comment": text });
    let stranger = change(site, ("PATCH", &path), ("RZZ77", "p-0", None), &patch("x"));
    assert_eq!(stranger.status, 404, "{}", stranger.text());
    let by = |id, version| ("G82080", id, version);
    let amended = change(
        site,
        ("PATCH", &path),
        by("p-1", Some(first.as_str())),
        &patch("Wheelchair"),
    );
    assert_eq!(amended.status, 200, "{}", amended.text());
    assert_eq!(amended.json()["comment"], "Wheelchair");
    assert_ne!(amended.header("etag"), Some(first.as_str()));
    let stale = change(
        site,
        ("PATCH", &path),
        by("p-2", Some(first.as_str())),
        &patch("Late"),
    );
    assert_eq!(code(&stale), (409, "conflict".to_owned()));
    site.process.kill();
    site.process.start();
    let again = change(
        site,
        ("PATCH", &path),
        by("p-1", Some(first.as_str())),
        &patch("Wheelchair"),
    );
    assert_eq!(code(&again), (409, "duplicate".to_owned()));
    let another = change(site, ("PATCH", &path), by("p-1", None), &patch("Late"));
    assert_eq!(
        code(&another),
        (409, "conflict".to_owned()),
        "another under this id"
    );

    // The whole resource with another slot moves it; with another time alone it does not.
    whole["start"] = json!("2099-03-02T11:00:00Z");
    whole["end"] = json!("2099-03-02T11:20:00Z");
    let timed = change(site, ("PUT", &path), by("p-3", None), &whole);
    assert_eq!(timed.status, 422, "{}", timed.text());
    whole["slot"] = json!([{ "reference": format!("Slot/{other}") }]);
    let moved = change(site, ("PUT", &path), by("p-4", None), &whole);
    assert_eq!(moved.status, 200, "{}", moved.text());
    assert!(
        moved.json()["start"]
            .as_str()
            .unwrap()
            .starts_with("2099-03-02T11:00")
    );
    let find = "/bars/FHIR/R4/Slot?start=ge2099-03-02T00:00:00%2B00:00&start=le2099-03-03T00:00:00%2B00:00";
    let statuses = |asked: &str| {
        let found = ask(site, &format!("{find}&status={asked}")).json();
        let entries = found["entry"].as_array().unwrap().clone();
        let all = entries
            .iter()
            .map(|it| it["resource"]["status"].as_str().unwrap().to_owned());
        all.collect::<Vec<_>>()
    };
    assert_eq!(statuses("free"), ["free"]);
    assert_eq!(statuses("busy"), ["busy"]);
    assert_eq!(statuses("free,busy"), ["free", "busy"]);
    whole["id"] = json!("another");
    let misnamed = change(site, ("PUT", &path), by("p-5", None), &whole);
    assert_eq!(misnamed.status, 400, "{}", misnamed.text());

    let deleted = change(site, ("DELETE", &path), by("p-6", None), &Value::Null);
    assert_eq!(deleted.status, 200, "{}", deleted.text());
    assert_eq!(
        deleted.json()["issue"][0]["details"]["coding"][0]["code"],
        "RESOURCE_UPDATED"
    );
    let over = ask(site, &format!("/bars/FHIR/R4/{path}"));
    assert_eq!(over.json()["status"], "cancelled", "it is kept as ended");
    assert_eq!(statuses("free"), ["free", "free"]);
    let late = change(site, ("PATCH", &path), by("p-7", None), &patch("x"));
    assert_eq!(late.status, 422, "{}", late.text());
    for (method, path) in [
        ("POST", "Appointment"),
        ("PUT", "Slot"),
        ("GET", "$process-message"),
    ] {
        let refused = change(site, (method, path), by("p-8", None), &whole);
        assert_eq!(code(&refused), (405, "not-supported".to_owned()), "{path}");
        assert_eq!(refused.header("x-request-id"), Some("p-8"));
        let why = refused.json()["issue"][0]["diagnostics"].clone();
        assert!(why.as_str().unwrap().len() > 40, "{why}");
    }
    assert_eq!(count(site, "bars_message"), 4, "each that was done, once");
    site.rows.assert_sound();
}

#[test]
fn a_referral_is_changed_and_cancelled_at_its_address_by_who_sent_it() {
    let mut nodes = set_up();
    let site = &mut nodes.hospital;
    site.process.start();
    let taken = process(site, &message("m-1", "new"), &IDS);
    assert_eq!(taken.status, 200, "{}", taken.text());
    let id = taken.json()["entry"][1]["resource"]["id"].clone();
    let path = format!("ServiceRequest/{}", id.as_str().unwrap());
    let by = |id, version| ("G82080", id, version);
    let body = json!({
        "resourceType": "ServiceRequest", "status": "active", "intent": "plan", "priority": "urgent",
        "note": [{ "text": "The rash is worse" }],
    });
    let stranger = change(site, ("PATCH", &path), ("RZZ77", "s-0", None), &body);
    assert_eq!(stranger.status, 404, "{}", stranger.text());
    let stale = change(site, ("PATCH", &path), by("s-1", Some("W/\"99\"")), &body);
    assert_eq!(code(&stale), (409, "conflict".to_owned()));
    let changed = change(site, ("PUT", &path), by("s-2", None), &body);
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_eq!(changed.json()["priority"], "urgent");
    let again = change(site, ("PUT", &path), by("s-2", None), &body);
    assert_eq!(code(&again), (409, "duplicate".to_owned()));
    let mut shah = doctor(site, "ravi", "Dr Ravi Shah");
    let list = shah.get("/staff/referrals").unwrap();
    let one = crate::referrals::link(&list, "/staff/referrals/").unwrap();
    let page = shah.get(&one).unwrap().text();
    assert!(page.contains("The rash is worse"), "{page}");

    let deleted = change(site, ("DELETE", &path), by("s-3", None), &Value::Null);
    assert_eq!(deleted.status, 200, "{}", deleted.text());
    assert_eq!(
        deleted.json()["issue"][0]["details"]["coding"][0]["code"],
        "RESOURCE_REMOVED"
    );
    let sql = "referral WHERE state = 'withdrawn'";
    assert_eq!(count(site, sql), 1);
    let late = change(site, ("PATCH", &path), by("s-4", None), &body);
    assert_eq!(late.status, 422, "{}", late.text());
    let number = "https%3A%2F%2Ffhir.nhs.uk%2FId%2Fnhs-number%7C9990000018";
    let all = ask(
        site,
        &format!("/bars/FHIR/R4/ServiceRequest?subject:identifier={number}"),
    );
    assert_eq!(all.json()["total"], 1, "{}", all.text());
    let posted = change(site, ("POST", "ServiceRequest"), by("s-5", None), &body);
    assert_eq!(posted.status, 405, "{}", posted.text());
    site.rows.assert_sound();
}
