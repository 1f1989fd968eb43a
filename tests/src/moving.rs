//! Patients who move from one practice to another, between real processes that are killed in the middle of it: nothing of the
//! record is lost or doubled, and at no moment is more shown at the hospital than the patient wants.

use std::fs::OpenOptions;
use std::io::Write;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::http::Client;
use crate::faults::people::{account, form_token};
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood, PRACTICE, Site, wait_for};
use crate::referrals::{letter, post, sign_in};

const ANSWER_SECONDS: u64 = 90;
/// Entries of each record.
const ALLERGIES: u64 = 12;
/// So long after somebody presses "Give" the node is killed, in milliseconds: one patient each.
const KILLED_AFTER: [u64; 3] = [0, 40, 200];
const ALLERGY_STATUS: &str = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical";
const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";

/// The made-up NHS number of that patient.
fn number(at: usize) -> String {
    let check = |digits: &str| {
        let weighed = digits.bytes().zip((2..=10).rev());
        let sum: u32 = weighed
            .map(|(it, weight)| u32::from(it - b'0') * weight)
            .sum();
        (11 - sum % 11) % 11
    };
    let mut found = (0..1_000_000u32)
        .map(|it| format!("999{it:06}"))
        .filter(|it| check(it) < 10)
        .map(|it| format!("{it}{}", check(&it)));
    found.nth(100 + at).unwrap()
}

fn family(at: usize) -> String {
    format!("Mover{at}")
}

fn create(site: &Site, resource: &Value) -> String {
    let path = format!("/fhir/{}", resource["resourceType"].as_str().unwrap());
    let answer = site.client().send_json("POST", &path, resource).unwrap();
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

fn patient(site: &Site, at: usize) -> String {
    create(
        site,
        &json!({
            "resourceType": "Patient",
            "identifier": [{ "system": "https://fhir.nhs.uk/Id/nhs-number", "value": number(at) }],
            "name": [{ "family": family(at), "given": ["Mo"] }],
            "birthDate": "1980-02-01",
            "generalPractitioner": [{ "identifier": { "system": ODS, "value": PRACTICE } }],
        }),
    )
}

/// That the hospital is not to see what was measured.
fn wish(patient: &str) -> Value {
    json!({
        "resourceType": "Consent",
        "status": "active",
        "scope": { "text": "privacy" },
        "category": [{ "coding": [{ "system": "urn:handover:consent", "code": "sharing" }] }],
        "patient": { "reference": format!("Patient/{patient}") },
        "policyRule": { "text": "opt in" },
        "provision": { "type": "permit", "provision": [{
            "type": "deny",
            "actor": [{
                "role": { "text": "receiver" },
                "reference": { "identifier": { "system": ODS, "value": HOSPITAL } },
            }],
            "class": [{ "system": "http://hl7.org/fhir/resource-types", "code": "Observation" }],
        }] },
    })
}

fn rows(site: &Site, sql: &str) -> i64 {
    let sql = format!("SELECT CAST(COUNT(*) AS TEXT) FROM {sql}");
    site.rows.number(&sql)
}

/// What the hospital's nurse is answered about the measurement: 404 is withheld.
fn seen(nurse: &mut Client, observation: &str) -> Option<u16> {
    let answer = nurse
        .get(&format!("/fhir/Observation/{observation}"))
        .ok()?;
    Some(answer.status)
}

struct Places {
    nodes: Neighbourhood,
    new: Site,
    nurse: Client,
    /// Of each patient: the hospital's measurement.
    measured: Vec<String>,
}

impl Places {
    /// At no moment is it shown. A node that is just being killed says nothing.
    fn still_withheld(&mut self) {
        for one in &self.measured {
            let status = seen(&mut self.nurse, one);
            assert!(
                status.is_none_or(|it| it == 404),
                "shown in between: {status:?}"
            );
        }
    }

    fn wait(&mut self, what: &str, mut done: impl FnMut(&Places) -> bool) {
        wait_for(what, ANSWER_SECONDS, || {
            self.still_withheld();
            done(self).then_some(())
        });
    }
}

fn stocked(postgres: Option<&str>) -> Places {
    let (mut nodes, mut new, way) = Neighbourhood::set_up_with_other_practice(postgres);
    // The way stays open for as long as the test runs.
    std::mem::forget(way);
    for site in [&nodes.hospital, &nodes.practice, &new] {
        let settings = site.folder.join("handover.toml");
        let mut file = OpenOptions::new().append(true).open(settings).unwrap();
        file.write_all(b"\n[sign_in]\nstaff = [\"password\"]\n")
            .unwrap();
        account(site, "nura", "Nura Nurse", "clinician");
        account(site, "cleo", "Cleo Clerk", "clerk");
    }
    nodes.practice.process.start();
    nodes.hospital.process.start();
    new.process.start();
    let mut nurse = sign_in(&nodes.hospital, "/staff/login", "nura");
    let mut measured = Vec::new();
    for at in 0..KILLED_AFTER.len() {
        let here = patient(&nodes.practice, at);
        for one in 0..ALLERGIES {
            let allergy = json!({
                "resourceType": "AllergyIntolerance",
                "clinicalStatus": { "coding": [{ "system": ALLERGY_STATUS, "code": "active" }] },
                "code": { "text": format!("Substance {one}") },
                "patient": { "reference": format!("Patient/{here}") },
            });
            create(&nodes.practice, &allergy);
        }
        let there = patient(&nodes.hospital, at);
        measured.push(create(
            &nodes.hospital,
            &json!({
                "resourceType": "Observation",
                "status": "final",
                "code": { "text": "Weight" },
                "subject": { "reference": format!("Patient/{there}") },
            }),
        ));
        // Who has written to the practice is told what the patient wants.
        let written = letter(&nodes.hospital, &there, ("an old weight", false));
        let send = json!({ "resourceType": "Parameters", "parameter": [
            { "name": "recipient", "valueString": PRACTICE },
        ] });
        let path = format!("/fhir/DocumentReference/{written}/$send");
        let sent = nodes
            .hospital
            .client()
            .send_json("POST", &path, &send)
            .unwrap();
        assert_eq!(sent.status, 200, "{}", sent.text());
        create(&nodes.practice, &wish(&here));
    }
    for one in &measured {
        wait_for(
            "that the hospital knows what is wanted",
            ANSWER_SECONDS,
            || (seen(&mut nurse, one)? == 404).then_some(()),
        );
    }
    Places {
        nodes,
        new,
        nurse,
        measured,
    }
}

/// Presses "Give the record" for the one claim that waits, if one does.
fn give(clerk: &mut Client) -> bool {
    let Ok(page) = clerk.get("/staff/moves") else {
        return false;
    };
    let text = page.text().replace("&#x2f;", "/");
    let Some(action) = text.split("action=\"").find(|it| {
        let action = it.split('"').next().unwrap_or_default();
        action.ends_with("/agree")
    }) else {
        return false;
    };
    let action = action.split('"').next().unwrap_or_default().to_owned();
    let fields = [("csrf", form_token(&page))];
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, it)| (*name, it.as_str()))
        .collect();
    clerk
        .post_form(&action, &fields)
        .is_ok_and(|it| it.status == 303)
}

fn moves(places: &mut Places, at: usize) {
    let mut cleo = sign_in(&places.new, "/staff/login", "cleo");
    let csrf = form_token(&cleo.get("/staff/moves").unwrap());
    let form = [
        ("csrf", csrf),
        ("nhs_number", number(at)),
        ("born", "1980-02-01".to_owned()),
        ("family", family(at)),
        ("given", "Mo".to_owned()),
        ("from", PRACTICE.to_owned()),
    ];
    let asked = post(&mut cleo, "/staff/moves", &form);
    assert_eq!(asked.status, 303, "{}", asked.text());
    places.new.process.kill();
    places.new.process.start();
    let waits = "patient_move WHERE state = 'claimed'";
    places.wait("the claim at the practice before", |it| {
        rows(&it.nodes.practice, waits) == 1
    });
    places.nodes.practice.process.kill();
    places.nodes.practice.process.start();
    let mut cleo = sign_in(&places.nodes.practice, "/staff/login", "cleo");
    let press = thread::spawn(move || give(&mut cleo));
    thread::sleep(Duration::from_millis(KILLED_AFTER[at]));
    places.nodes.practice.process.kill();
    let was_answered = press.join().unwrap();
    places.nodes.practice.process.start();
    let is_given = rows(&places.nodes.practice, waits) == 0;
    assert!(is_given || !was_answered, "what was answered is there");
    places.new.process.kill();
    places.new.process.start();
    if !is_given {
        let mut cleo = sign_in(&places.nodes.practice, "/staff/login", "cleo");
        assert!(give(&mut cleo));
    }
    places.nodes.hospital.process.kill();
    places.nodes.hospital.process.start();
    places.nurse = sign_in(&places.nodes.hospital, "/staff/login", "nura");
    let all = i64::try_from(at + 1).unwrap();
    places.wait("the record at the new practice", |it| {
        rows(&it.new, "patient_move WHERE state = 'done'") == all
    });
    let of_new = format!("sharing_home WHERE home = '{}'", places.new.ods);
    places.wait("that the hospital knows the new practice", |it| {
        rows(&it.nodes.hospital, &of_new) == all
    });
}

fn moved_while_killed(postgres: Option<&str>) {
    let mut places = stocked(postgres);
    for at in 0..KILLED_AFTER.len() {
        moves(&mut places, at);
    }
    places.still_withheld();
    let all = i64::try_from(KILLED_AFTER.len()).unwrap();
    assert_eq!(
        rows(&places.nodes.practice, "patient_move WHERE state = 'given'"),
        all
    );
    assert_eq!(rows(&places.nodes.practice, "patient_move"), all);
    assert_eq!(rows(&places.new, "patient_move"), all);
    let counted = places
        .new
        .client()
        .get("/fhir/AllergyIntolerance?_summary=count");
    let counted = counted.unwrap().json();
    let entries = ALLERGIES * KILLED_AFTER.len() as u64;
    assert_eq!(
        counted["total"].as_u64(),
        Some(entries),
        "each entry came, once"
    );
    for site in [&places.nodes.hospital, &places.nodes.practice, &places.new] {
        site.rows.assert_sound();
    }
}

#[test]
fn f01_a_patient_moves_while_each_node_is_killed_and_nothing_is_lost_doubled_or_shown_in_between() {
    moved_while_killed(None);
}

#[test]
fn f01_a_patient_moves_while_each_node_is_killed_and_nothing_is_lost_on_postgresql() {
    if let Some(url) = store::testing::postgres_url() {
        moved_while_killed(Some(&url));
    }
}

/// The hospital is the practice's second keeper, and the new practice holds something about the patient before they move.
fn kept(postgres: Option<&str>) {
    let (mut nodes, mut new, _way) = Neighbourhood::set_up_with_other_practice(postgres);
    for (site, more) in [
        (&nodes.hospital, String::new()),
        (
            &nodes.practice,
            format!("\n[sharing]\nsecond_keeper = \"{HOSPITAL}\"\n"),
        ),
        (&new, String::new()),
    ] {
        let settings = site.folder.join("handover.toml");
        let mut file = OpenOptions::new().append(true).open(settings).unwrap();
        let settings = format!("\n[sign_in]\nstaff = [\"password\"]\n{more}");
        file.write_all(settings.as_bytes()).unwrap();
        account(site, "cleo", "Cleo Clerk", "clerk");
    }
    nodes.practice.process.start();
    nodes.hospital.process.start();
    new.process.start();
    let here = patient(&nodes.practice, 0);
    let there = patient(&new, 0);
    let written = letter(&new, &there, ("an old weight", false));
    let send = json!({ "resourceType": "Parameters", "parameter": [
        { "name": "recipient", "valueString": PRACTICE },
    ] });
    let path = format!("/fhir/DocumentReference/{written}/$send");
    let sent = new.client().send_json("POST", &path, &send).unwrap();
    assert_eq!(sent.status, 200, "{}", sent.text());
    create(&nodes.practice, &wish(&here));
    let tells = format!(
        "sharing_held WHERE home = '{PRACTICE}' AND audience LIKE '%{}%' AND moved_to = ''",
        new.ods
    );
    wait_for("the practice's word at its keeper", ANSWER_SECONDS, || {
        (rows(&nodes.hospital, &tells) == 1).then_some(())
    });

    let mut cleo = sign_in(&new, "/staff/login", "cleo");
    let csrf = form_token(&cleo.get("/staff/moves").unwrap());
    let form = [
        ("csrf", csrf),
        ("nhs_number", number(0)),
        ("born", "1980-02-01".to_owned()),
        ("family", family(0)),
        ("given", "Mo".to_owned()),
        ("from", PRACTICE.to_owned()),
    ];
    let asked = post(&mut cleo, "/staff/moves", &form);
    assert_eq!(asked.status, 303, "{}", asked.text());
    let mut cleo = sign_in(&nodes.practice, "/staff/login", "cleo");
    wait_for("the claim", ANSWER_SECONDS, || {
        give(&mut cleo).then_some(())
    });
    wait_for(
        "the new practice's word at the keeper",
        ANSWER_SECONDS,
        || {
            let sql = format!("sharing_held WHERE home = '{}'", new.ods);
            (rows(&nodes.hospital, &sql) == 1).then_some(())
        },
    );
    assert_eq!(
        rows(&nodes.hospital, &tells),
        0,
        "the old practice's last word is told to nobody"
    );
    let kept = format!(
        "sharing_held WHERE home = '{PRACTICE}' AND moved_to = '{}'",
        new.ods
    );
    assert_eq!(rows(&nodes.hospital, &kept), 1, "as the practice signed");
    let pointed = format!("pointer_own WHERE home = '{PRACTICE}' OR keeper = '{HOSPITAL}'");
    wait_for(
        "that who holds something points to the new practice",
        ANSWER_SECONDS,
        || {
            let places = [&nodes.practice, &new];
            places
                .iter()
                .all(|it| rows(it, &pointed) == 0)
                .then_some(())
        },
    );
    nodes.hospital.process.kill();
    nodes.hospital.process.start();
    assert_eq!(rows(&nodes.hospital, &tells), 0);
    nodes.hospital.rows.assert_sound();
}

#[test]
fn after_a_move_the_second_keeper_of_the_practice_before_tells_its_last_word_to_nobody() {
    kept(None);
}

#[test]
fn after_a_move_the_second_keeper_tells_its_last_word_to_nobody_on_postgresql() {
    if let Some(url) = store::testing::postgres_url() {
        kept(Some(&url));
    }
}
