//! A nurse's day with real nodes as processes, killed while what was written offline is taken in and told to the practice.

use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use web::carried::seal;

use crate::client::http::Client;
use crate::faults::people::{account, form_token, hidden, password};
use crate::node::neighbourhood::{Neighbourhood, PRACTICE, Site, patient, wait_for};

const PASSPHRASE: &str = "four words do not belong";
/// Visits of the day, and entries about each.
const VISITS: usize = 6;
const ENTRIES: usize = 4;
/// Times at which the node is killed.
const ROUNDS: u64 = 6;

fn signed_in(site: &Site) -> Client {
    let mut client = Client::new(site.pages);
    let answer = password(&mut client, "bo");
    assert_eq!(answer.status, 303, "{}", answer.text());
    client
}

fn set_up(site: &Site) {
    let path = site.folder.join("handover.toml");
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("\n[sign_in]\nstaff = [\"password\"]\n");
    std::fs::write(&path, text).unwrap();
}

fn planned(bo: &mut Client, patient: &str, day: &str, hour: usize) -> String {
    let page = bo
        .get(&format!("/staff/visits/new?patient={patient}"))
        .unwrap();
    let (csrf, attempt) = (form_token(&page), hidden(&page, "attempt"));
    let text = page.text();
    let (before, _) = text.split_once("\" selected>Dr Bo Test").unwrap();
    let account = before.rsplit_once("value=\"").unwrap().1;
    let account = account.to_owned();
    let time = format!("{hour:02}:00");
    let fields = [
        ("csrf", csrf.as_str()),
        ("patient", patient),
        ("attempt", &attempt),
        ("account", &account),
        ("day", day),
        ("time", &time),
        ("what", "Canary dressing"),
        ("access", ""),
    ];
    let answer = bo.post_form("/staff/visits/new", &fields).unwrap();
    assert_eq!(answer.status, 303, "{}", answer.text());
    attempt
}

/// Takes the day along, and gives the pack's id and the key of what comes back.
fn taken(bo: &mut Client, day: &str) -> (String, [u8; 32]) {
    let page = bo.get(&format!("/staff/visits?day={day}")).unwrap();
    let csrf = form_token(&page);
    let fields = [
        ("csrf", csrf.as_str()),
        ("day", day),
        ("passphrase", PASSPHRASE),
        ("again", PASSPHRASE),
        ("hours", "12"),
    ];
    let answer = bo.post_form("/staff/visits/pack", &fields).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let file = answer.text();
    assert!(!file.contains("Canary") && !file.contains("TESTER"));
    let (facts, text) = seal::open(seal::in_file(&file).unwrap(), PASSPHRASE).unwrap();
    let inside: Value = serde_json::from_slice(&text).unwrap();
    let key = STANDARD.decode(inside["more"]["key"].as_str().unwrap());
    (facts.id, key.unwrap().try_into().unwrap())
}

/// What the pack saves: the entries of a day.
fn saved(visits: &[String], (pack, key): (&str, &[u8; 32])) -> String {
    let now = store::Clock::system().now();
    let at = |ago: usize| fhir::date::instant(now - i64::try_from(ago).unwrap() * 60_000);
    let mut entries = Vec::new();
    for (at_visit, visit) in visits.iter().enumerate() {
        for number in 0..ENTRIES {
            entries.push(json!({
                "id": uuid::Uuid::new_v4().to_string(), "visit": visit, "outcome": "done",
                "happened": at(90),
                "written": at(80 - at_visit * ENTRIES - number),
                "observations": {"pulse": 70 + number}, "note": format!("Canary {at_visit}.{number}"),
            }));
        }
    }
    let text = json!({ "v": 1, "entries": entries, "opened": [] }).to_string();
    let bound = format!("handover visits {pack}");
    let (iv, data) = seal::shut(key, bound.as_bytes(), text.as_bytes()).unwrap();
    json!({ "handover": "visits", "v": 1, "pack": pack, "iv": iv, "data": data }).to_string()
}

fn brought(bo: &mut Client, file: &str) -> Option<String> {
    let csrf = form_token(&bo.get("/staff/visits/sync").ok()?);
    let fields = [("csrf", csrf.as_str()), ("text", file)];
    let answer = bo.post_form("/staff/visits/sync", &fields).ok()?;
    (answer.status == 200).then(|| answer.text())
}

fn number(site: &Site, query: &str) -> usize {
    usize::try_from(site.rows.number(query)).unwrap()
}

const LANDED: &str = "SELECT CAST(COUNT(*) AS TEXT) FROM visit_entry WHERE state = 'landed'";
/// Letters that went out, those of which the receipt is back, and those that came in and are in the record there.
const ACCEPTED: &str =
    "SELECT CAST(COUNT(*) AS TEXT) FROM parcel WHERE direction = 0 AND kind = 'letter'";
const DELIVERED: &str = "SELECT CAST(COUNT(*) AS TEXT) FROM parcel WHERE direction = 0 AND kind = 'letter' \
     AND state = 'delivered'";
const CAME: &str =
    "SELECT CAST(COUNT(*) AS TEXT) FROM parcel WHERE direction = 1 AND kind = 'letter'";
const TAKEN_IN: &str = "SELECT CAST(COUNT(*) AS TEXT) FROM parcel WHERE direction = 1 AND kind = 'letter' \
     AND document IS NOT NULL";

fn killed_while_synchronised(postgres: Option<&str>) {
    let mut nodes = Neighbourhood::set_up(postgres);
    set_up(&nodes.practice);
    account(&nodes.practice, "bo", "Dr Bo Test", "clinician");
    nodes.practice.process.start();
    let mut system = nodes.practice.client();
    let made = system.send_json("POST", "/fhir/Patient", &patient());
    let made: Value = made.unwrap().json();
    let id = made["id"].as_str().unwrap().to_owned();
    let mut bo = signed_in(&nodes.practice);
    let day = "2026-11-30";
    let visits: Vec<String> = (0..VISITS)
        .map(|at| planned(&mut bo, &id, day, 9 + at))
        .collect();
    let (pack, key) = taken(&mut bo, day);
    let file = saved(&visits, (&pack, &key));
    let mut cut_off = 0;
    for round in 0..ROUNDS {
        let mut bo = signed_in(&nodes.practice);
        let sent = file.clone();
        let press = thread::spawn(move || brought(&mut bo, &sent).is_some());
        thread::sleep(Duration::from_millis(15 + round * 12));
        nodes.practice.process.kill();
        let was_answered = press.join().unwrap();
        nodes.practice.process.start();
        let landed = number(&nodes.practice, LANDED);
        println!("round {round}: {landed} landed, answered: {was_answered}");
        assert!(
            !was_answered || landed == VISITS * ENTRIES,
            "what was answered is there"
        );
        cut_off += usize::from(landed < VISITS * ENTRIES);
    }
    println!("{cut_off} of {ROUNDS} times not all was there");
    let mut bo = signed_in(&nodes.practice);
    for again in [false, true] {
        let page = brought(&mut bo, &file).unwrap();
        assert!(page.contains(" 0 wait for a decision"), "{page}");
        assert!(page.contains("All its visits were heard of"), "{page}");
        assert!(
            page.contains("practice is not known here, so nobody was told."),
            "{page}"
        );
        if again {
            let known = format!(
                "0 put into the record, {} were here before",
                VISITS * ENTRIES
            );
            assert!(page.contains(&known), "{page}");
        }
    }
    assert_eq!(number(&nodes.practice, LANDED), VISITS * ENTRIES);
    let mut system = nodes.practice.client();
    for visit in &visits {
        let task: Value = system.get(&format!("/fhir/Task/{visit}")).unwrap().json();
        let notes = task["note"].as_array().unwrap();
        assert_eq!(notes.len(), ENTRIES, "each note once: {task}");
        assert_eq!(task["status"], "completed");
    }
    for (ty, count) in [("Encounter", 1), ("Observation", 1), ("Provenance", 1)] {
        let found: Value = system
            .get(&format!("/fhir/{ty}?_summary=count"))
            .unwrap()
            .json();
        let expected = u64::try_from(VISITS * ENTRIES * count).unwrap();
        assert_eq!(found["total"], expected, "{ty}: {found}");
    }
    let site = &mut nodes.practice;
    site.process.kill();
    site.rows.assert_sound();
    assert!(!site.process.log().contains("Canary"), "a log names nobody");
}

/// Visits of the journey over two nodes, and how often the nurse's node is killed in it.
const JOURNEY_VISITS: usize = 3;
const JOURNEY_ROUNDS: u64 = 4;
const ANSWER_SECONDS: u64 = 60;

/// The practice of whoever the letters are about is the other node.
fn registered(site: &Site) -> String {
    let mut amina = patient();
    amina["generalPractitioner"] = json!([{ "identifier": {
        "system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": PRACTICE,
    } }]);
    let made = site.client().send_json("POST", "/fhir/Patient", &amina);
    let made: Value = made.unwrap().json();
    made["id"].as_str().unwrap().to_owned()
}

/// The texts of the letters that were taken in there.
fn letters(site: &Site) -> Vec<String> {
    let mut system = site.client();
    let found: Value = system
        .get("/fhir/DocumentReference?_count=100")
        .unwrap()
        .json();
    let entries = found["entry"].as_array().cloned().unwrap_or_default();
    let mut texts = Vec::new();
    for entry in entries {
        let url = entry.pointer("/resource/content/0/attachment/url");
        let url = url.and_then(Value::as_str).unwrap();
        let binary = url.rsplit('/').next().unwrap();
        let headers = [("accept", "application/fhir+json")];
        let binary = system.request("GET", &format!("/fhir/Binary/{binary}"), &headers, &[]);
        let binary: Value = binary.unwrap().json();
        let text = STANDARD.decode(binary["data"].as_str().unwrap()).unwrap();
        texts.push(String::from_utf8(text).unwrap());
    }
    texts
}

/// The nurse works at the one node, the patient's practice is the other. Each entry becomes one letter there, though the nurse's
/// node is killed while it takes them in and sends them, and the file is brought again each time.
fn told_to_the_practice(postgres: Option<&str>) {
    let mut nodes = Neighbourhood::set_up(postgres);
    set_up(&nodes.hospital);
    account(&nodes.hospital, "bo", "Dr Bo Test", "clinician");
    nodes.practice.process.start();
    nodes.register_patient();
    nodes.hospital.process.start();
    let id = registered(&nodes.hospital);
    let mut bo = signed_in(&nodes.hospital);
    let day = "2026-11-30";
    let visits: Vec<String> = (0..JOURNEY_VISITS)
        .map(|at| planned(&mut bo, &id, day, 9 + at))
        .collect();
    let (pack, key) = taken(&mut bo, day);
    let file = saved(&visits, (&pack, &key));
    let all = JOURNEY_VISITS * ENTRIES;
    for round in 0..JOURNEY_ROUNDS {
        let mut bo = signed_in(&nodes.hospital);
        let sent = file.clone();
        let press = thread::spawn(move || brought(&mut bo, &sent).is_some());
        thread::sleep(Duration::from_millis(20 + round * 25));
        nodes.hospital.process.kill();
        press.join().unwrap();
        nodes.hospital.process.start();
        let accepted = number(&nodes.hospital, ACCEPTED);
        assert_eq!(
            number(&nodes.hospital, LANDED),
            accepted,
            "round {round}: an entry and its letter are there together"
        );
        println!("round {round}: {accepted} of {all}");
    }
    let mut bo = signed_in(&nodes.hospital);
    for _ in 0..2 {
        let page = brought(&mut bo, &file).unwrap();
        let practice = format!("Anytown gp-practice ({PRACTICE}). Entries: {all}.");
        assert!(page.contains(&practice), "{page}");
    }
    wait_for("the letters at the practice", ANSWER_SECONDS, || {
        (number(&nodes.practice, TAKEN_IN) == all).then_some(())
    });
    assert_eq!(number(&nodes.practice, CAME), all, "each once");
    wait_for("the receipts", ANSWER_SECONDS, || {
        (number(&nodes.hospital, DELIVERED) == all).then_some(())
    });
    assert_eq!(number(&nodes.hospital, ACCEPTED), all, "each once");
    let texts = letters(&nodes.practice);
    for at_visit in 0..JOURNEY_VISITS {
        for of_visit in 0..ENTRIES {
            let note = format!("Canary {at_visit}.{of_visit}\n");
            let about: Vec<&String> = texts.iter().filter(|it| it.contains(&note)).collect();
            assert_eq!(about.len(), 1, "{note}: {texts:?}");
            let pulse = format!("Heart rate: {} a minute", 70 + of_visit);
            for words in [pulse.as_str(), "Canary dressing", "by: Dr Bo Test"] {
                assert!(about[0].contains(words), "{words}: {}", about[0]);
            }
        }
    }
    for site in [&mut nodes.hospital, &mut nodes.practice] {
        site.process.kill();
        site.rows.assert_sound();
        assert!(!site.process.log().contains("Canary"), "a log names nobody");
    }
}

#[test]
fn f01_a_nurse_s_day_that_is_killed_is_told_to_the_practice_whole_and_once() {
    told_to_the_practice(None);
}

#[test]
fn f01_a_nurse_s_day_that_is_killed_is_told_to_the_practice_whole_and_once_on_postgresql() {
    if let Some(url) = store::testing::postgres_url() {
        told_to_the_practice(Some(&url));
    }
}

#[test]
fn f01_a_nurse_s_day_that_is_killed_while_it_is_synchronised_arrives_whole_and_once() {
    killed_while_synchronised(None);
}

#[test]
fn f01_a_nurse_s_day_that_is_killed_while_it_is_synchronised_arrives_whole_and_once_on_postgresql()
{
    if let Some(url) = store::testing::postgres_url() {
        killed_while_synchronised(Some(&url));
    }
}
