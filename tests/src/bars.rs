//! A referral by the Booking and Referral Standard between two real nodes that are in no network together: the practice's
//! leaves by `$process-message`, the hospital decides, and its decisions come back the same way. Processes are killed, and an
//! answer is lost.

use std::fs::{OpenOptions, Permissions};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use serde_json::{Value, json};

use crate::client::http::{Answer, Client};
use crate::faults::people::{form_token, hidden};
use crate::node::neighbourhood::{Neighbourhood, Site, patient, wait_for};
use crate::node::process::run;
use crate::referrals::{
    doctor, filled, letter, link, post, process, register, says, set_up, set_up_on,
};

const ANSWER_SECONDS: u64 = 60;

/// A way to an address that loses the first answers: what was asked gets there, and nothing comes back.
pub(crate) struct Losing {
    address: SocketAddr,
    pub(crate) lost: Arc<AtomicUsize>,
}

fn losing(to: SocketAddr, answers: usize) -> Losing {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let lost = Arc::new(AtomicUsize::new(0));
    let counted = lost.clone();
    std::thread::spawn(move || {
        for near in listener.incoming() {
            let (Ok(near), Ok(far)) = (near, TcpStream::connect(to)) else {
                continue;
            };
            let counted = counted.clone();
            std::thread::spawn(move || carry(near, far, (&counted, answers)));
        }
    });
    Losing { address, lost }
}

fn carry(near: TcpStream, far: TcpStream, (lost, answers): (&AtomicUsize, usize)) {
    let (mut from, mut into) = (near.try_clone().unwrap(), far.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut into);
        let _ = into.shutdown(Shutdown::Write);
    });
    let (mut from, mut into) = (far, near);
    let mut first = [0u8; 4096];
    let Ok(count) = from.read(&mut first) else {
        return;
    };
    if count > 0 && lost.fetch_add(1, Ordering::SeqCst) < answers {
        let _ = into.shutdown(Shutdown::Both);
        return;
    }
    let _ = into.write_all(&first[..count]);
    let _ = std::io::copy(&mut from, &mut into);
    let _ = into.shutdown(Shutdown::Both);
}

/// Practice and hospital, each alone in a network of its own, and each with the other's address and a token for BaRS.
pub(crate) fn apart(postgres: Option<&str>) -> (Neighbourhood, Losing) {
    let nodes = set_up_on(postgres);
    let way = losing(nodes.hospital.pages, 1);
    for (site, other, pages) in [
        (&nodes.practice, &nodes.hospital, way.address),
        (&nodes.hospital, &nodes.practice, nodes.practice.pages),
    ] {
        let root = site.folder.parent().unwrap();
        let out = format!("{}/directory.jws", site.ods);
        let card = format!("{}/card.json", site.ods);
        let sign = [
            "directory",
            "sign",
            "--steward",
            "steward",
            "--out",
            &out,
            &card,
        ];
        run(root, &sign);
        let token = site.folder.join("bars.token");
        std::fs::write(&token, &other.token).unwrap();
        std::fs::set_permissions(&token, Permissions::from_mode(0o600)).unwrap();
        let settings = format!(
            "\n[bars]\nservice = [{{ ods = \"{}\", name = \"Far Away {}\", url = \"http://{pages}/bars/FHIR/R4\", \
             service = \"2000099999\", token = \"bars.token\" }}]\n",
            other.ods, other.ods
        );
        let file = site.folder.join("handover.toml");
        let mut file = OpenOptions::new().append(true).open(file).unwrap();
        file.write_all(settings.as_bytes()).unwrap();
    }
    (nodes, way)
}

fn step(client: &mut Client, page: &str, act: &str, fields: &[(&'static str, &str)]) -> Answer {
    let csrf = form_token(&client.get(page).unwrap());
    let mut all = vec![("csrf", csrf)];
    all.extend(fields.iter().map(|(name, it)| (*name, (*it).to_owned())));
    let done = post(client, &format!("{page}/{act}"), &all);
    assert_eq!(done.status, 303, "{}", done.text());
    done
}

pub(crate) fn count(site: &Site, sql: &str) -> i64 {
    site.rows
        .number(&format!("SELECT CAST(COUNT(*) AS TEXT) FROM {sql}"))
}

#[test]
fn a_referral_leaves_by_bars_once_though_its_answer_is_lost_and_its_decisions_come_back() {
    referred(None);
}

#[test]
fn a_referral_leaves_by_bars_once_and_its_decisions_come_back_on_postgresql() {
    if let Some(url) = store::testing::postgres_url() {
        referred(Some(&url));
    }
}

fn referred(postgres: Option<&str>) {
    let (mut nodes, way) = apart(postgres);
    nodes.practice.process.start();
    nodes.hospital.process.start();
    let id = register(&nodes.practice);
    let mut gp = doctor(&nodes.practice, "ann", "Dr Ann Bell");
    let mut shah = doctor(&nodes.hospital, "ravi", "Dr Ravi Shah");
    nodes.hospital.process.kill();

    let goes = letter(&nodes.practice, &id, ("the echo of 2025", false));
    let mut form = filled(&mut gp, &id);
    form.push(("letter", goes));
    let page = gp.get("/staff/referrals/new").unwrap().text();
    assert!(page.contains("Far Away RZZ98, by BaRS"), "{page}");
    let sent = post(&mut gp, "/staff/referrals/new", &form);
    assert_eq!(sent.status, 303, "{}", sent.text());
    let list = "/staff/referrals?show=sent";
    assert!(says(&mut gp, list, "Not delivered yet"));
    nodes.practice.process.kill();
    nodes.practice.process.start();
    let again = post(&mut gp, "/staff/referrals/new", &form);
    assert_eq!(again.status, 303, "the same form refers once");
    nodes.hospital.process.start();

    let there = wait_for("the referral at the hospital", ANSWER_SECONDS, || {
        let list = shah.get("/staff/referrals?show=to-triage").ok()?;
        link(&list, "/staff/referrals/")
    });
    wait_for(
        "that the practice knows it is there",
        ANSWER_SECONDS,
        || says(&mut gp, list, "Delivered, not decided").then_some(()),
    );
    assert!(
        way.lost.load(Ordering::SeqCst) > 1,
        "an answer was lost, and it was sent again"
    );
    assert_eq!(count(&nodes.hospital, "referral"), 1, "taken once");
    let page = shah.get(&there).unwrap().text();
    for words in [
        "Chest pain on effort",
        "Is it angina?",
        "Dr Ann Bell",
        "Allergies",
        "by BaRS",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(!page.contains("tell them yourself"), "there is a way back");

    step(&mut shah, &there, "ask", &[("words", "Which medicines?")]);
    let here = wait_for("the question at the practice", ANSWER_SECONDS, || {
        let list = gp.get(list).ok()?;
        let text = list.text();
        let is_asked = text.contains("Question for you") && text.contains("Which medicines?");
        link(&list, "/staff/referrals/").filter(|_| is_asked)
    });
    nodes.hospital.process.kill();
    step(&mut gp, &here, "reply", &[("words", "Bisoprolol 2.5 mg")]);
    nodes.practice.process.kill();
    nodes.practice.process.start();
    nodes.hospital.process.start();
    wait_for("the answer at the hospital", ANSWER_SECONDS, || {
        says(&mut shah, &there, "Bisoprolol 2.5 mg").then_some(())
    });
    step(
        &mut shah,
        &there,
        "accept",
        &[("promised_by", "2099-03-31")],
    );
    wait_for("the acceptance at the practice", ANSWER_SECONDS, || {
        let page = gp.get(&here).ok()?.text();
        let is_accepted = page.contains(">Accepted<") || page.contains("Accepted");
        (is_accepted && page.contains("31 Mar") && page.contains("Dr Ravi Shah")).then_some(())
    });
    step(&mut gp, &here, "withdraw", &[("words", "She moved")]);
    wait_for("that the hospital knows", ANSWER_SECONDS, || {
        says(&mut shah, &there, "She moved").then_some(())
    });
    for site in [&nodes.hospital, &nodes.practice] {
        assert_eq!(count(site, "referral WHERE state = 'withdrawn'"), 1);
        wait_for("all messages to be there", ANSWER_SECONDS, || {
            (count(site, "bars_out WHERE state <> 'sent'") == 0).then_some(())
        });
        site.rows.assert_sound();
    }
    assert_eq!(
        count(&nodes.practice, "bars_out"),
        3,
        "referral, answer, withdrawal"
    );
    assert_eq!(
        count(&nodes.hospital, "bars_message"),
        3,
        "each was taken once"
    );
    let kept = "bars_message m WHERE m.correlation_id = (SELECT MIN(o.correlation_id) FROM bars_message o)";
    assert_eq!(count(&nodes.hospital, kept), 3, "under one correlation id");
    assert_eq!(
        count(&nodes.practice, "bars_message"),
        2,
        "question and acceptance"
    );
}

#[test]
fn a_referral_that_the_receiver_refuses_is_on_the_work_list_and_is_sent_again_by_a_person() {
    let (mut nodes, _way) = apart(None);
    // A token that nobody knows: whoever runs the node can put it right, so nothing is given up.
    let token = nodes.practice.folder.join("bars.token");
    let right = std::fs::read(&token).unwrap();
    std::fs::write(&token, "nonsense").unwrap();
    nodes.practice.process.start();
    nodes.hospital.process.start();
    let id = register(&nodes.practice);
    let mut gp = doctor(&nodes.practice, "ann", "Dr Ann Bell");
    let mut form = filled(&mut gp, &id);
    let sent = post(&mut gp, "/staff/referrals/new", &form);
    assert_eq!(sent.status, 303, "{}", sent.text());
    wait_for("a try", ANSWER_SECONDS, || {
        (count(&nodes.practice, "bars_out WHERE tries > 0") == 1).then_some(())
    });
    let list = "/staff/referrals?show=sent";
    assert!(
        says(&mut gp, list, "Not delivered yet"),
        "a token can be put right"
    );
    std::fs::write(&token, &right).unwrap();
    wait_for(
        "the right token is taken up by itself",
        ANSWER_SECONDS,
        || says(&mut gp, list, "Delivered, not decided").then_some(()),
    );

    // A message that the receiver itself refuses ends on the work list: it is asked what it finds wrong.
    let door = nodes.hospital.pages;
    nodes.hospital.process.kill();
    let refusing = TcpListener::bind(door).unwrap();
    std::thread::spawn(move || {
        for near in refusing.incoming().flatten() {
            let mut near = near;
            let mut read = vec![0u8; 64 << 10];
            let _ = near.read(&mut read);
            let body = r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"invalid"}]}"#;
            let answer = format!(
                "HTTP/1.1 422 Unprocessable Entity\r\ncontent-type: application/fhir+json\r\ncontent-length: {}\r\n\
                 connection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = near.write_all(answer.as_bytes());
        }
    });
    let fresh = gp
        .get(&format!("/staff/referrals/new?patient={id}"))
        .unwrap();
    for (name, value) in &mut form {
        if matches!(*name, "csrf" | "attempt") {
            *value = hidden(&fresh, name);
        }
    }
    let sent = post(&mut gp, "/staff/referrals/new", &form);
    assert_eq!(sent.status, 303, "{}", sent.text());
    wait_for("it to be refused", ANSWER_SECONDS, || {
        says(&mut gp, list, "Undeliverable").then_some(())
    });
    let page = gp.get("/staff/worklist").unwrap();
    let text = page.text().replace("&#x2f;", "/");
    assert!(text.contains("by BaRS, to Far Away RZZ98"), "{text}");
    assert!(text.contains("answered 422"), "{text}");
    let begins = text.find("/staff/worklist/bars/").unwrap();
    let action = text[begins..].split('"').next().unwrap().to_owned();
    let csrf = form_token(&page);
    let again = post(&mut gp, &action, &[("csrf", csrf)]);
    assert_eq!(again.status, 303, "{}", again.text());
    wait_for("it to be tried and refused anew", ANSWER_SECONDS, || {
        let tried = "bars_out WHERE state = 'undeliverable' AND tries = 1";
        (count(&nodes.practice, tried) == 1).then_some(())
    });
}

/// A message that books a slot for Amina, or cancels that.
pub(crate) fn booking(id: &str, (appointment, status, slot): (&str, &str, &str)) -> Value {
    let entry = |url: &str, resource: Value| json!({ "fullUrl": url, "resource": resource });
    json!({
        "resourceType": "Bundle", "type": "message", "id": id,
        "entry": [
            entry("urn:uuid:h", json!({
                "resourceType": "MessageHeader",
                "eventCoding": { "code": "booking-request" },
                "reason": { "coding": [{ "code": "new" }] },
                "sender": { "reference": "urn:uuid:o" },
                "focus": [{ "reference": "urn:uuid:a" }],
                "source": { "endpoint": "x" },
            })),
            entry("urn:uuid:a", json!({
                "resourceType": "Appointment", "id": appointment, "status": status,
                "description": "Chest pain",
                "slot": [{ "reference": format!("Slot/{slot}") }],
                "participant": [{ "actor": { "reference": "urn:uuid:p" }, "status": "accepted" }],
            })),
            entry("urn:uuid:p", patient()),
            entry("urn:uuid:o", json!({
                "resourceType": "Organization", "name": "Far Away Surgery",
                "identifier": [{
                    "system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "G82080",
                }],
            })),
        ],
    })
}

pub(crate) fn ask(site: &Site, path: &str) -> Answer {
    let organisation = base64::engine::general_purpose::STANDARD.encode(br#"{"value":"x"}"#);
    let mut headers = vec![("X-Request-ID", "r-1"), ("X-Correlation-ID", "c-1")];
    for name in [
        "NHSD-Target-Identifier",
        "NHSD-End-User-Organisation",
        "NHSD-Requesting-Software",
    ] {
        headers.push((name, organisation.as_str()));
    }
    site.client().request("GET", path, &headers, b"").unwrap()
}

#[test]
fn a_slot_is_found_and_booked_by_bars_once_and_is_free_again_when_it_is_cancelled() {
    let mut nodes = set_up();
    let site = &mut nodes.hospital;
    site.process.start();
    let publish = |bookable: bool, at: &str| {
        let mut slot = json!({
            "resourceType": "Slot",
            "status": "free",
            "serviceType": [{ "text": "Clinic" }],
            "schedule": { "display": "Dr Shah" },
            "start": format!("{at}:00Z"),
            "end": format!("{at}:20Z"),
        });
        if bookable {
            slot["meta"] = json!({ "tag": [{ "system": "urn:handover:bookable-by", "code": "organisations" }] });
        }
        let made = site
            .client()
            .send_json("POST", "/fhir/Slot", &slot)
            .unwrap();
        assert_eq!(made.status, 201, "{}", made.text());
        made.json()["id"].as_str().unwrap().to_owned()
    };
    let slot = publish(true, "2099-03-02T10:00");
    publish(false, "2099-03-02T11:00");
    let find = "/bars/FHIR/R4/Slot?status=free&start=ge2099-03-02T00:00:00%2B00:00&start=le2099-03-03T00:00:00%2B00:00\
                &_include=Slot:schedule&_include=Schedule:actor:HealthcareService";
    let bare = ask(site, "/bars/FHIR/R4/Slot?status=free");
    assert_eq!(bare.status, 400, "{}", bare.text());
    let found = ask(site, find);
    assert_eq!(found.status, 200, "{}", found.text());
    assert_eq!(found.header("x-correlation-id"), Some("c-1"));
    let found = found.json();
    assert_eq!(
        found["total"], 1,
        "what only staff may book is not offered: {found}"
    );
    let kinds: Vec<&str> = found["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["resource"]["resourceType"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        ["Slot", "Schedule", "HealthcareService", "Organization"]
    );
    assert_eq!(found["entry"][0]["resource"]["id"], slot.as_str());

    let ids = [("X-Request-ID", "r-1"), ("X-Correlation-ID", "c-1")];
    let new = booking("b-1", ("appointment-1", "booked", &slot));
    let booked = process(site, &new, &ids);
    assert_eq!(booked.status, 200, "{}", booked.text());
    let booked = booked.json();
    assert_eq!(
        booked["entry"][0]["resource"]["eventCoding"]["code"],
        "booking-response"
    );
    let appointment = booked["entry"][1]["resource"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    site.process.kill();
    site.process.start();
    let again = process(site, &new, &ids);
    assert_eq!(
        (again.status, again.json()["issue"][0]["code"].as_str()),
        (409, Some("duplicate"))
    );
    let other = process(
        site,
        &booking("b-2", ("appointment-2", "booked", &slot)),
        &ids,
    );
    assert_eq!(
        (other.status, other.json()["issue"][0]["code"].as_str()),
        (409, Some("conflict"))
    );
    assert_eq!(ask(site, find).json()["total"], 0, "it is taken");
    let one = ask(site, &format!("/bars/FHIR/R4/Appointment/{appointment}"));
    assert_eq!(one.json()["status"], "booked", "{}", one.text());
    let number = "https%3A%2F%2Ffhir.nhs.uk%2FId%2Fnhs-number%7C9990000018";
    let hers = ask(
        site,
        &format!("/bars/FHIR/R4/Appointment?patient:identifier={number}"),
    );
    assert_eq!(hers.json()["total"], 1, "{}", hers.text());

    let unknown = process(
        site,
        &booking("b-3", ("appointment-9", "cancelled", &slot)),
        &ids,
    );
    assert_eq!(unknown.status, 404, "{}", unknown.text());
    let over = process(
        site,
        &booking("b-4", ("appointment-1", "cancelled", &slot)),
        &ids,
    );
    assert_eq!(over.status, 200, "{}", over.text());
    assert_eq!(ask(site, find).json()["total"], 1, "its slot is free again");
    assert_eq!(count(site, "diary_booking WHERE state = 'cancelled'"), 1);
    site.rows.assert_sound();
}
