//! The door as another system finds it, with the published request.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use access::{Ods, Outcome, Scope, SystemPurpose};
use axum::Router;
use axum::body::Body;
use exchange::booking::{Session, publish};
use exchange::gp_connect::token::{self, Asking};
use exchange::jwt::{IdentityKey, Jwks};
use fhir::gp_connect::Call;
use http::{HeaderMap, Method, Request, StatusCode};
use serde_json::{Value, json};
use store::AuditFilter;
use store::diary::Audience;
use store::testing::{Ground, on_each_database};
use tower::ServiceExt;

use super::*;
use crate::testing::{bare_node, record};

const DAY: i64 = 86_400_000;
const OWN: &str = "200000000001";
const THEIRS: &str = "200000000002";

async fn lines(node: &Node) -> Vec<access::AuditEntry> {
    let filter = AuditFilter {
        count: 1_000,
        ..AuditFilter::default()
    };
    let scope = Scope::system(SystemPurpose::Measure);
    node.store
        .audit_page(&scope, &filter)
        .await
        .unwrap()
        .entries
}

/// A practice with one session tomorrow, and a hospital's system that may call.
pub(super) struct Setting {
    pub(super) node: Arc<Node>,
    pub(super) router: Router,
    key: IdentityKey,
}

pub(super) fn work() -> Scope {
    Scope::system(SystemPurpose::KeepAppointments)
}

pub(super) async fn set_up(ground: &Ground) -> Setting {
    let mut node = bare_node(ground).await;
    let key = IdentityKey::generate().unwrap();
    let keys = Jwks::read(key.jwks().to_string().as_bytes()).unwrap();
    node.gp_connect = Some(Door {
        asid: OWN.into(),
        consumers: vec![Consumer {
            asid: THEIRS.into(),
            ods: Ods::parse("RZZ01").unwrap(),
            keys: Some(keys),
            patients: false,
        }],
        proxy: Some(exchange::keys::sha256_hex(b"the proxy's certificate")),
        gateway: None,
    });
    let node = Arc::new(node);
    // Sessions begin on the minute.
    let from = (node.store.now() + DAY) / 60_000 * 60_000;
    for (audience, with) in [
        (Audience::Organisations, "Nurse Obi"),
        (Audience::Patients, "Dr Rao"),
    ] {
        let session = Session {
            from,
            until: from + 20 * 60_000,
            minutes: 10,
            with: with.into(),
            kind: "Blood test".into(),
            audience,
        };
        publish(&node.store, &work(), &session).await.unwrap();
    }
    record(
        &node.store,
        ["Jane Example", "jane", "9434765919", "1980-02-03"],
    )
    .await;
    Setting {
        router: route(node.clone()),
        node,
        key,
    }
}

impl Setting {
    fn claims(&self, call: Call) -> Value {
        let organisation = Ods::parse("RZZ01").unwrap();
        let audience = format!("{}{PATH}", self.node.site.base_url);
        let asking = Asking {
            issuer: "https://hospital.example",
            audience: &audience,
            organisation: &organisation,
            organisation_name: "Anytown hospital",
            person: "Nura Nurse",
        };
        token::claims(&asking, call, self.node.store.now())
    }

    pub(super) fn headers(&self, call: Call) -> Vec<(&'static str, String)> {
        let token = self.key.sign(&self.claims(call)).unwrap();
        vec![
            ("ssp-traceid", "6f1c2e52-0000-4000-8000-000000000001".into()),
            ("ssp-from", THEIRS.into()),
            ("ssp-to", OWN.into()),
            ("ssp-interactionid", call.id().into()),
            ("authorization", format!("Bearer {token}")),
            ("content-type", "application/fhir+json".into()),
        ]
    }

    pub(super) async fn send(
        &self,
        (method, path): (Method, &str),
        headers: &[(&'static str, String)],
        body: &Value,
    ) -> (StatusCode, HeaderMap, Value) {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{PATH}{path}"));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let body = match body {
            Value::Null => Body::empty(),
            body => Body::from(body.to_string()),
        };
        let request = request.body(body).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        let json = serde_json::from_slice(&bytes).unwrap();
        (parts.status, parts.headers, json)
    }

    pub(super) async fn get(&self, call: Call, path: &str) -> (StatusCode, Value) {
        let to = (Method::GET, path);
        let (status, _, json) = self.send(to, &self.headers(call), &Value::Null).await;
        (status, json)
    }

    pub(super) fn slots(&self) -> String {
        let now = self.node.store.now();
        format!(
            "/Slot?start=ge{}&end=le{}&status=free&_include=Slot:schedule&_include:recurse=Schedule:actor:Practitioner",
            fhir::gp_connect::local_day(now),
            fhir::gp_connect::local_day(now + 3 * DAY),
        )
    }

    pub(super) async fn offered(&self) -> Vec<fhir::gp_connect::Offered> {
        let (status, json) = self.get(Call::FindSlots, &self.slots()).await;
        assert_eq!(status, 200, "{json}");
        fhir::gp_connect::offered(&json)
    }

    /// A request for that slot, made of the published example where it is at hand.
    pub(super) fn request(&self, slot: &fhir::gp_connect::Offered) -> Value {
        let mut it = published();
        it["slot"][0]["reference"] = json!(format!("Slot/{}", slot.slot));
        it["start"] = json!(fhir::gp_connect::local(slot.starts));
        it["end"] = json!(fhir::gp_connect::local(slot.ends));
        it["participant"][0]["actor"]["reference"] = json!("Patient/jane");
        it["participant"][1]["actor"]["reference"] = json!("Location/A81001");
        it["contained"][0]["identifier"][0]["value"] = json!("RZZ01");
        it
    }

    pub(super) async fn book(&self, request: &Value) -> (StatusCode, HeaderMap, Value) {
        let to = (Method::POST, "/Appointment");
        self.send(to, &self.headers(Call::Book), request).await
    }

    pub(super) async fn put(&self, call: Call, version: &str, body: &Value) -> (StatusCode, Value) {
        let mut headers = self.headers(call);
        headers.push(("if-match", format!("W/\"{version}\"")));
        let path = format!("/Appointment/{}", body["id"].as_str().unwrap());
        let (status, _, json) = self.send((Method::PUT, &path), &headers, body).await;
        (status, json)
    }
}

/// The published request to book, or, said loudly, one of its shape.
fn published() -> Value {
    let shared = std::env::var_os("HANDOVER_SHARED").map(PathBuf::from);
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = shared.unwrap_or_else(beside);
    let path = folder
        .join("data/nhs/gpconnect-1.2-stu3/_includes/appointments/book_appt_request_example.json");
    if let Ok(text) = std::fs::read_to_string(&path) {
        return serde_json::from_str(&text).unwrap();
    }
    eprintln!(
        "SKIPPED: the published request is not at {}",
        path.display()
    );
    let by = fhir::gp_connect::BookedBy {
        ods: "RZZ01".into(),
        name: "Anytown hospital".into(),
        phone: "0300 000 0000".into(),
        sort: String::new(),
    };
    fhir::gp_connect::wanted(&fhir::gp_connect::Wanted {
        patient: "1".into(),
        location: "32".into(),
        slots: vec!["1".into()],
        starts: 0,
        ends: 600_000,
        created: 0,
        description: "Free text description.".into(),
        comment: "Free text comment.".into(),
        booked_by: by,
    })
}

pub(super) fn code(outcome: &Value) -> &str {
    assert_eq!(outcome["resourceType"], "OperationOutcome", "{outcome}");
    outcome["issue"][0]["details"]["coding"][0]["code"]
        .as_str()
        .unwrap()
}

#[test]
fn another_system_finds_books_amends_and_cancels_with_the_published_requests() {
    on_each_database(async |ground| {
        let it = set_up(ground).await;
        let found = it.get(
            Call::FindPatient,
            "/Patient?identifier=https://fhir.nhs.uk/Id/nhs-number%7C9434765919",
        );
        let (status, json) = found.await;
        assert_eq!(
            (status.as_u16(), json["entry"].as_array().unwrap().len()),
            (200, 1)
        );
        assert_eq!(json["entry"][0]["resource"]["birthDate"], "1980-02-03");
        assert_eq!(json["entry"][0]["resource"]["address"], Value::Null);

        let slots = it.offered().await;
        assert_eq!(slots.len(), 2, "those for other organisations alone");
        assert_eq!(slots[0].with, "Nurse Obi");
        let request = it.request(&slots[0]);
        let (status, headers, booked) = it.book(&request).await;
        assert_eq!(status, 201, "{booked}");
        assert_eq!(headers["etag"], "W/\"1\"");
        for place in [
            "/slot",
            "/start",
            "/end",
            "/description",
            "/comment",
            "/contained/0/name",
            "/participant",
        ] {
            assert_eq!(booked.pointer(place), request.pointer(place), "{place}");
        }
        assert!(
            headers["location"]
                .to_str()
                .unwrap()
                .ends_with(booked["id"].as_str().unwrap())
        );
        assert_eq!(
            it.offered().await.len(),
            1,
            "what is taken is offered no more"
        );
        let (status, _, again) = it.book(&request).await;
        assert_eq!((status.as_u16(), code(&again)), (409, "DUPLICATE_REJECTED"));

        let today = fhir::gp_connect::local_day(it.node.store.now());
        let later = fhir::gp_connect::local_day(it.node.store.now() + 3 * DAY);
        let path = format!("/Patient/jane/Appointment?start=ge{today}&start=le{later}");
        let (status, list) = it.get(Call::PatientAppointments, &path).await;
        assert_eq!(
            (status.as_u16(), &list["entry"][0]["resource"]),
            (200, &booked)
        );

        let mut amended = booked.clone();
        amended["comment"] = json!("Ring first.");
        let (status, stale) = it.put(Call::Amend, "7", &amended).await;
        assert_eq!(
            (status.as_u16(), code(&stale)),
            (409, "FHIR_CONSTRAINT_VIOLATION")
        );
        let (status, amended) = it.put(Call::Amend, "1", &amended).await;
        assert_eq!(status, 200, "{amended}");
        assert_eq!(
            (&amended["comment"], &amended["meta"]["versionId"]),
            (&json!("Ring first."), &json!("2"))
        );

        let ended = fhir::gp_connect::cancel(&amended, "Better now");
        let (status, wrong) = it.put(Call::Amend, "2", &ended).await;
        assert_eq!((status.as_u16(), code(&wrong)), (400, "BAD_REQUEST"));
        let (status, ended) = it.put(Call::Cancel, "2", &ended).await;
        assert_eq!(
            (status.as_u16(), &ended["status"]),
            (200, &json!("cancelled")),
            "{ended}"
        );
        let path = format!("/Appointment/{}", ended["id"].as_str().unwrap());
        let (_, read) = it.get(Call::ReadAppointment, &path).await;
        assert_eq!(read, ended);
        assert_eq!(it.offered().await.len(), 2, "its slot is free again");
        let (status, wrong) = it
            .put(Call::Cancel, "3", &fhir::gp_connect::cancel(&ended, "x"))
            .await;
        assert_eq!(
            (status.as_u16(), code(&wrong)),
            (422, "INVALID_REQUEST_STATE"),
            "{wrong}"
        );

        let lines = lines(&it.node).await;
        let theirs = |action: &str| {
            let of = |it: &&access::AuditEntry| {
                it.interaction == action && it.agent.organisation.as_deref() == Some("RZZ01")
            };
            lines.iter().filter(of).count()
        };
        assert_eq!(
            (theirs("book-appointment"), theirs("cancel-appointment")),
            (2, 1)
        );
        assert!(theirs("slots") >= 3);
    });
}

#[test]
fn who_is_not_proved_or_does_not_fit_is_told_why_and_nothing_else() {
    on_each_database(async |ground| {
        let it = set_up(ground).await;
        let slots = it.slots();
        let with = async |name: &'static str, value: &str| {
            let mut headers = it.headers(Call::FindSlots);
            headers.retain(|(known, _)| *known != name);
            if !value.is_empty() {
                headers.push((name, value.to_owned()));
            }
            let (status, _, json) = it.send((Method::GET, &slots), &headers, &Value::Null).await;
            (status.as_u16(), code(&json).to_owned())
        };
        let told = |status: u16, code: &str| (status, code.to_owned());
        for name in [
            "ssp-traceid",
            "ssp-from",
            "ssp-to",
            "ssp-interactionid",
            "authorization",
        ] {
            assert_eq!(with(name, "").await, told(400, "BAD_REQUEST"), "{name}");
        }
        assert_eq!(
            with("ssp-from", "999").await,
            told(403, "ASID_CHECK_FAILED")
        );
        assert_eq!(with("ssp-to", "999").await, told(403, "ASID_CHECK_FAILED"));
        assert_eq!(
            with("ssp-interactionid", Call::Book.id()).await,
            told(400, "BAD_REQUEST")
        );
        assert_eq!(
            with("accept", "text/html").await,
            told(415, "UNSUPPORTED_MEDIA_TYPE")
        );
        let claims = it.claims(Call::FindSlots);
        let bearer = |claims: &Value| format!("Bearer {}", it.key.sign(claims).unwrap());
        let unsigned = format!("Bearer {}", token::unsigned(&claims));
        assert_eq!(
            with("authorization", &unsigned).await,
            told(400, "BAD_REQUEST")
        );
        let other = IdentityKey::generate().unwrap().sign(&claims).unwrap();
        assert_eq!(
            with("authorization", &format!("Bearer {other}")).await,
            told(400, "BAD_REQUEST")
        );
        let mut wrong = claims.clone();
        wrong["requesting_organization"]["identifier"][0]["value"] = json!("RYY01");
        assert_eq!(
            with("authorization", &bearer(&wrong)).await,
            told(403, "ACCESS_DENIED")
        );
        let mut wrong = claims.clone();
        wrong["reason_for_request"] = json!("migration");
        assert_eq!(
            with("authorization", &bearer(&wrong)).await,
            told(403, "ACCESS_DENIED")
        );
        let lines = lines(&it.node).await;
        assert!(
            lines
                .iter()
                .any(|it| it.outcome == Outcome::Refused && it.interaction == "slots")
        );
        let (status, _) = it.get(Call::FindSlots, &slots).await;
        assert_eq!(status, StatusCode::OK);
    });
}

#[test]
fn what_is_not_whole_or_not_there_is_refused_by_its_code() {
    on_each_database(async |ground| {
        let it = set_up(ground).await;
        let whole = it.request(&it.offered().await[0]);
        for (place, value, expected) in [
            (
                "/slot/0/reference",
                json!("Slot/none"),
                (422, "REFERENCE_NOT_FOUND"),
            ),
            (
                "/participant/0/actor/reference",
                json!("Patient/none"),
                (422, "REFERENCE_NOT_FOUND"),
            ),
            (
                "/participant/1/actor/reference",
                json!("Location/none"),
                (422, "REFERENCE_NOT_FOUND"),
            ),
            (
                "/end",
                json!("2099-01-01T10:00:00+00:00"),
                (422, "INVALID_RESOURCE"),
            ),
            (
                "/contained/0/identifier/0/value",
                json!("RYY01"),
                (422, "INVALID_RESOURCE"),
            ),
            ("/status", json!("pending"), (422, "INVALID_RESOURCE")),
            (
                "/description",
                json!("x".repeat(101)),
                (422, "INVALID_RESOURCE"),
            ),
        ] {
            let mut wrong = whole.clone();
            *wrong.pointer_mut(place).unwrap() = value;
            let (status, _, json) = it.book(&wrong).await;
            assert_eq!((status.as_u16(), code(&json)), expected, "{place}");
        }
        let mut twice = whole.clone();
        twice["slot"] = json!([whole["slot"][0], { "reference": "Slot/other" }]);
        assert_eq!(it.book(&twice).await.0, 422);
        let number =
            |text: &str| format!("/Patient?identifier=https://fhir.nhs.uk/Id/nhs-number%7C{text}");
        let (status, json) = it.get(Call::FindPatient, &number("123")).await;
        assert_eq!((status.as_u16(), code(&json)), (400, "INVALID_NHS_NUMBER"));
        let (_, json) = it.get(Call::FindPatient, &number("9990000018")).await;
        assert_eq!(json["entry"], json!([]));
        let (status, json) = it.get(Call::FindPatient, "/Patient?identifier=x%7C1").await;
        assert_eq!(
            (status.as_u16(), code(&json)),
            (400, "INVALID_IDENTIFIER_SYSTEM")
        );
        let (status, json) = it.get(Call::ReadPatient, "/Patient/none").await;
        assert_eq!((status.as_u16(), code(&json)), (404, "PATIENT_NOT_FOUND"));
        let (status, json) = it.get(Call::ReadAppointment, "/Appointment/none").await;
        assert_eq!((status.as_u16(), code(&json)), (404, "NO_RECORD_FOUND"));
        let past = "/Patient/jane/Appointment?start=ge2020-01-01&start=le2020-01-02";
        let (status, json) = it.get(Call::PatientAppointments, past).await;
        assert_eq!((status.as_u16(), code(&json)), (422, "INVALID_PARAMETER"));
        let (status, json) = it.get(Call::FindSlots, "/Slot?status=free").await;
        assert_eq!((status.as_u16(), code(&json)), (422, "INVALID_PARAMETER"));
        let (status, json) = it.get(Call::Metadata, "/MedicationStatement").await;
        assert_eq!((status.as_u16(), code(&json)), (501, "NOT_IMPLEMENTED"));
        let (status, json) = it.get(Call::Metadata, "/metadata").await;
        assert_eq!(
            (status.as_u16(), &json["fhirVersion"]),
            (200, &json!("3.0.1"))
        );
    });
}
