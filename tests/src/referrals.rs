//! Referrals between two real nodes: the practice's doctor refers in the pages, the hospital's decides, the patient reads where
//! it is; processes are killed meanwhile. And the same work item by the door of BaRS.

use std::fs::OpenOptions;
use std::io::Write;
use std::process::{Command, Stdio};

use base64::Engine as _;
use serde_json::{Value, json};

use crate::client::http::{Answer, Client};
use crate::faults::people::{PASSWORD, account, form_token, hidden};
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood, Site, patient, wait_for};
use crate::setting::handover;

const ANSWER_SECONDS: u64 = 60;

pub fn set_up() -> Neighbourhood {
    set_up_on(None)
}

/// The same on the PostgreSQL server at `postgres`, when one is given.
pub fn set_up_on(postgres: Option<&str>) -> Neighbourhood {
    let nodes = Neighbourhood::set_up(postgres);
    let ways = "\n[sign_in]\nstaff = [\"passkey\", \"password\"]\npatients = [\"passkey\", \"password\"]\n";
    for site in [&nodes.hospital, &nodes.practice] {
        let settings = site.folder.join("handover.toml");
        let mut file = OpenOptions::new().append(true).open(settings).unwrap();
        file.write_all(ways.as_bytes()).unwrap();
    }
    nodes
}

/// Puts Amina on record there; her id.
pub fn register(site: &Site) -> String {
    let answer = site.client().send_json("POST", "/fhir/Patient", &patient());
    let answer = answer.unwrap();
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

pub fn sign_in(site: &Site, door: &str, login: &str) -> Client {
    let mut client = Client::new(site.pages);
    let csrf = form_token(&client.get(door).unwrap());
    let fields = [
        ("csrf", csrf.as_str()),
        ("login", login),
        ("password", PASSWORD),
    ];
    let answer = client.post_form(door, &fields).unwrap();
    assert_eq!(answer.status, 303, "{}", answer.text());
    client
}

pub fn doctor(site: &Site, login: &str, name: &str) -> Client {
    account(site, login, name, "clinician");
    sign_in(site, "/staff/login", login)
}

/// Amina's account at the practice, signed in.
fn amina(site: &Site, id: &str) -> Client {
    let mut command = Command::new(handover())
        .args(["account", "add-patient", "--username", "amina"])
        .args(["--name", "Amina Tester", "--patient", id])
        .args(["--nhs-number", "9990000018"])
        .current_dir(&site.folder)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut typed = command.stdin.take().unwrap();
    typed.write_all(format!("{PASSWORD}\n").as_bytes()).unwrap();
    drop(typed);
    assert!(command.wait().unwrap().success());
    sign_in(site, "/login", "amina")
}

pub fn says(client: &mut Client, address: &str, words: &str) -> bool {
    let page = client.get(address);
    page.is_ok_and(|page| page.text().contains(words))
}

/// The form of a new referral of Amina, filled in.
pub fn filled(doctor: &mut Client, patient: &str) -> Vec<(&'static str, String)> {
    let page = doctor
        .get(&format!("/staff/referrals/new?patient={patient}"))
        .unwrap();
    assert_eq!(page.status, 200, "{}", page.text());
    assert!(
        page.text().contains("value=\"9990000018\""),
        "{}",
        page.text()
    );
    let mut fields = ["csrf", "attempt"]
        .map(|name| (name, hidden(&page, name)))
        .to_vec();
    for (name, value) in [
        ("nhs_number", "9990000018"),
        ("born", "1951-03-04"),
        ("family", "Tester"),
        ("referrer", "Dr Ann Bell"),
        ("to", HOSPITAL),
        ("service", "Cardiology"),
        ("urgency", "urgent"),
        ("reason", "Chest pain on effort"),
        ("question", "Is it angina?"),
        ("summary", "yes"),
    ] {
        fields.push((name, value.to_owned()));
    }
    fields
}

pub fn post(client: &mut Client, address: &str, fields: &[(&'static str, String)]) -> Answer {
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, it)| (*name, it.as_str()))
        .collect();
    client.post_form(address, &fields).unwrap()
}

/// The first link on a page that leads to one of a list.
pub fn link(page: &Answer, list: &str) -> Option<String> {
    let text = page.text().replace("&#x2f;", "/");
    let begins = format!("href=\"{list}");
    let mut links = text.split(begins.as_str()).skip(1);
    let id = links.find(|it| !it.starts_with("new"))?;
    Some(format!("{list}{}", id.split('"').next()?))
}

#[test]
fn a_referral_made_while_the_hospital_is_down_is_decided_once_when_it_is_back_and_the_patient_reads_where_it_is()
 {
    let mut nodes = set_up();
    nodes.practice.process.start();
    nodes.hospital.process.start();
    register(&nodes.hospital);
    let id = register(&nodes.practice);
    let mut gp = doctor(&nodes.practice, "ann", "Dr Ann Bell");
    let mut shah = doctor(&nodes.hospital, "ravi", "Dr Ravi Shah");
    let mut amina = amina(&nodes.practice, &id);

    let form = filled(&mut gp, &id);
    nodes.hospital.process.kill();
    let sent = post(&mut gp, "/staff/referrals/new", &form);
    assert_eq!(sent.status, 303, "{}", sent.text());
    assert!(says(
        &mut gp,
        "/staff/referrals?show=sent",
        "Not delivered yet"
    ));
    nodes.practice.process.kill();
    nodes.practice.process.start();
    let again = post(&mut gp, "/staff/referrals/new", &form);
    assert_eq!(again.status, 303, "the same form refers once");
    let home = amina.get("/").unwrap();
    assert!(
        home.text().contains("On its way, not there yet"),
        "{}",
        home.text()
    );
    let mine = amina.get("/referrals").unwrap();
    let mine = link(&mine, "/referrals/").unwrap();
    assert!(says(&mut amina, &mine, "On its way, not there yet"));

    nodes.hospital.process.start();
    let there = wait_for("the referral at the hospital", ANSWER_SECONDS, || {
        link(
            &shah.get("/staff/referrals?show=to-triage").ok()?,
            "/staff/referrals/",
        )
    });
    wait_for("its receipt at the practice", ANSWER_SECONDS, || {
        says(&mut amina, &mine, "Delivered, not yet accepted").then_some(())
    });
    let page = amina.get(&mine).unwrap().text();
    assert!(
        !page.contains(">Accepted<"),
        "delivered is not accepted: {page}"
    );

    let page = shah.get(&there).unwrap();
    for words in [
        "Chest pain on effort",
        "Is it angina?",
        "Dr Ann Bell",
        "Allergies",
    ] {
        assert!(page.text().contains(words), "{words}: {}", page.text());
    }
    let csrf = form_token(&page);
    let asked = [
        ("csrf", csrf.clone()),
        ("words", "Which medicines?".to_owned()),
    ];
    let done = post(&mut shah, &format!("{there}/ask"), &asked);
    assert_eq!(done.status, 303, "{}", done.text());
    nodes.hospital.process.kill();
    nodes.hospital.process.start();
    let here = wait_for("the question at the practice", ANSWER_SECONDS, || {
        let list = gp.get("/staff/referrals?show=sent").ok()?;
        let text = list.text();
        let is_asked = text.contains("Question for you") && text.contains("Which medicines?");
        link(&list, "/staff/referrals/").filter(|_| is_asked)
    });
    let csrf = form_token(&gp.get(&here).unwrap());
    let reply = [("csrf", csrf), ("words", "Bisoprolol 2.5 mg".to_owned())];
    let done = post(&mut gp, &format!("{here}/reply"), &reply);
    assert_eq!(done.status, 303, "{}", done.text());
    wait_for("the answer at the hospital", ANSWER_SECONDS, || {
        says(&mut shah, &there, "Bisoprolol 2.5 mg").then_some(())
    });
    let csrf = form_token(&shah.get(&there).unwrap());
    let past = [
        ("csrf", csrf.clone()),
        ("promised_by", "2001-01-01".to_owned()),
    ];
    let wrong = post(&mut shah, &format!("{there}/accept"), &past);
    assert!(
        wrong.text().contains("is a day to come"),
        "{}",
        wrong.text()
    );
    let accepted = [("csrf", csrf), ("promised_by", "2099-03-31".to_owned())];
    let done = post(&mut shah, &format!("{there}/accept"), &accepted);
    assert_eq!(done.status, 303, "{}", done.text());
    nodes.hospital.process.kill();
    nodes.hospital.process.start();
    wait_for("the patient's page", ANSWER_SECONDS, || {
        let page = amina.get(&mine).ok()?.text();
        (page.contains(">Accepted<") && page.contains("31 March 2099")).then_some(())
    });
    assert!(says(&mut gp, &here, "Dr Ravi Shah"));
    for site in [&nodes.hospital, &nodes.practice] {
        let count = "SELECT CAST(COUNT(*) AS TEXT) FROM referral WHERE state = 'accepted'";
        assert_eq!(site.rows.number(count), 1, "one referral, once");
        site.rows.assert_sound();
    }
}

/// A letter on record there, restricted or not; its id.
pub fn letter(site: &Site, patient: &str, (text, restricted): (&str, bool)) -> String {
    let about = json!({ "reference": format!("Patient/{patient}") });
    let create = |resource: Value| {
        let ty = resource["resourceType"].as_str().unwrap();
        let path = format!("/fhir/{ty}");
        let answer = site.client().send_json("POST", &path, &resource).unwrap();
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["id"].as_str().unwrap().to_owned()
    };
    let binary = create(json!({
        "resourceType": "Binary",
        "contentType": "text/plain",
        "securityContext": about,
        "data": base64::engine::general_purpose::STANDARD.encode(text),
    }));
    let mut document = json!({
        "resourceType": "DocumentReference",
        "status": "current",
        "description": format!("About {text}"),
        "subject": about,
        "date": "2026-02-03T10:00:00Z",
        "content": [{ "attachment": { "contentType": "text/plain", "url": format!("Binary/{binary}") } }],
    });
    if restricted {
        let system = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
        document["securityLabel"] = json!([{ "coding": [{ "system": system, "code": "R" }] }]);
    }
    create(document)
}

#[test]
fn a_letter_goes_along_with_a_referral_and_is_opened_there_and_a_restricted_one_is_not_offered() {
    let mut nodes = set_up();
    nodes.practice.process.start();
    nodes.hospital.process.start();
    register(&nodes.hospital);
    let id = register(&nodes.practice);
    let goes = letter(&nodes.practice, &id, ("the echo of 2025", false));
    let stays = letter(&nodes.practice, &id, ("what nobody copies", true));
    let mut gp = doctor(&nodes.practice, "ann", "Dr Ann Bell");
    let mut shah = doctor(&nodes.hospital, "ravi", "Dr Ravi Shah");
    let form = filled(&mut gp, &id);
    let page = gp
        .get(&format!("/staff/referrals/new?patient={id}"))
        .unwrap();
    let page = page.text();
    assert!(page.contains("About the echo of 2025"), "{page}");
    assert!(!page.contains("what nobody copies"), "{page}");
    assert!(
        page.contains("1 more: withheld from you, or restricted"),
        "{page}"
    );

    // Whoever writes its id into the form gets no copy of it out.
    let mut wrong = form.clone();
    wrong.push(("letter", stays));
    let answer = post(&mut gp, "/staff/referrals/new", &wrong);
    assert_eq!(answer.status, 422);
    assert!(
        answer.text().contains("cannot go along"),
        "{}",
        answer.text()
    );
    let mut right = form;
    right.push(("letter", goes));
    let sent = post(&mut gp, "/staff/referrals/new", &right);
    assert_eq!(sent.status, 303, "{}", sent.text());
    let there = wait_for("the referral at the hospital", ANSWER_SECONDS, || {
        let list = shah.get("/staff/referrals?show=to-triage").ok()?;
        link(&list, "/staff/referrals/")
    });
    let page = shah.get(&there).unwrap().text();
    for words in [
        "Letters enclosed",
        "About the echo of 2025",
        "the echo of 2025",
        "Allergies",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let sent = gp.get("/staff/referrals?show=sent").unwrap();
    let here = link(&sent, "/staff/referrals/").unwrap();
    assert!(
        says(&mut gp, &here, "the echo of 2025"),
        "who refers sees what went along"
    );
    let count = "SELECT CAST(COUNT(*) AS TEXT) FROM referral";
    assert_eq!(
        nodes.practice.rows.number(count),
        1,
        "what was refused left nothing"
    );
}

/// A message of BaRS about Amina.
pub fn message(id: &str, reason: &str) -> Value {
    let entry = |id: &str, resource: Value| json!({ "fullUrl": id, "resource": resource });
    json!({
        "resourceType": "Bundle", "type": "message", "id": id,
        "entry": [
            entry("urn:uuid:h", json!({
                "resourceType": "MessageHeader",
                "eventCoding": { "code": "servicerequest-request" },
                "reason": { "coding": [{ "code": reason }] },
                "sender": { "reference": "urn:uuid:o" },
                "focus": [{ "reference": "urn:uuid:s" }],
                "source": { "endpoint": "x" },
            })),
            entry("urn:uuid:s", json!({
                "resourceType": "ServiceRequest", "status": "active", "intent": "order",
                "identifier": [{ "value": "SR-1" }],
                "code": { "text": "Dermatology" },
                "reasonCode": [{ "text": "A mole that grows" }],
                "subject": { "reference": "urn:uuid:p" },
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

pub fn process(site: &Site, message: &Value, ids: &[(&str, &str)]) -> Answer {
    let organisation = base64::engine::general_purpose::STANDARD.encode(br#"{"value":"x"}"#);
    let mut headers = vec![("content-type", "application/fhir+json")];
    for name in [
        "NHSD-Target-Identifier",
        "NHSD-End-User-Organisation",
        "NHSD-Requesting-Software",
    ] {
        headers.push((name, organisation.as_str()));
    }
    headers.extend(ids);
    let body = message.to_string();
    let path = "/bars/FHIR/R4/$process-message";
    site.client()
        .request("POST", path, &headers, body.as_bytes())
        .unwrap()
}

#[test]
fn a_referral_by_bars_is_the_same_work_item_taken_once_and_its_ids_come_back() {
    let mut nodes = set_up();
    nodes.hospital.process.start();
    let ids = [("X-Request-ID", "r-1"), ("X-Correlation-ID", "c-1")];
    let none = process(&nodes.hospital, &message("m-1", "new"), &[]);
    assert_eq!(none.status, 400, "{}", none.text());
    let half = process(&nodes.hospital, &message("m-1", "new"), &ids[..1]);
    assert_eq!(half.status, 400, "{}", half.text());
    assert_eq!(half.header("x-request-id"), Some("r-1"), "always echoed");
    let taken = process(&nodes.hospital, &message("m-1", "new"), &ids);
    assert_eq!(taken.status, 200, "{}", taken.text());
    assert_eq!(taken.header("x-correlation-id"), Some("c-1"));
    assert_eq!(
        taken.json()["entry"][0]["resource"]["response"]["code"],
        "ok"
    );
    // The answer was lost: the same once more, after a crash.
    nodes.hospital.process.kill();
    nodes.hospital.process.start();
    let twice = process(&nodes.hospital, &message("m-1", "new"), &ids);
    assert_eq!(twice.status, 409, "{}", twice.text());
    assert_eq!(twice.json()["issue"][0]["code"], "duplicate");
    let other = process(&nodes.hospital, &message("m-1", "update"), &ids);
    assert_eq!(other.json()["issue"][0]["code"], "conflict");
    let mut shah = doctor(&nodes.hospital, "ravi", "Dr Ravi Shah");
    let list = shah.get("/staff/referrals").unwrap().text();
    assert!(
        list.contains("Dermatology") && list.contains("by BaRS"),
        "{list}"
    );
    let cancelled = process(&nodes.hospital, &message("m-2", "delete"), &ids);
    assert_eq!(cancelled.status, 200, "{}", cancelled.text());
    let list = shah.get("/staff/referrals").unwrap().text();
    assert!(list.contains(">Withdrawn<"), "{list}");
    let sql = "SELECT CAST(COUNT(*) AS TEXT) FROM referral";
    assert_eq!(nodes.hospital.rows.number(sql), 1);
}
