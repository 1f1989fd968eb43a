//! A nurse's day with a real node as a process, killed while it takes in what was written offline.

use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use web::carried::seal;

use crate::client::http::Client;
use crate::faults::people::{account, form_token, hidden, password};
use crate::node::neighbourhood::{Neighbourhood, Site, patient};

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
