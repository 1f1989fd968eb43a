//! A discharge with real nodes as processes, killed while it is signed.

use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::client::http::Client;
use crate::faults::people::{account, form_token, hidden, password};
use crate::node::neighbourhood::{Neighbourhood, PRACTICE, Site, patient, wait_for};

/// Signatures that are cut off.
const ROUNDS: u64 = 8;

/// Lets staff in by a password alone.
fn set_up(site: &Site) {
    let path = site.folder.join("handover.toml");
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("\n[sign_in]\nstaff = [\"password\"]\n");
    std::fs::write(&path, text).unwrap();
}

fn signed_in(site: &Site) -> Client {
    let mut client = Client::new(site.pages);
    let answer = password(&mut client, "bo");
    assert_eq!(answer.status, 303, "{}", answer.text());
    client
}

/// Writes a discharge for the patient up to its signature; the draft's address.
fn written(bo: &mut Client, patient: &str, round: u64) -> String {
    let page = bo
        .get(&format!("/staff/discharges/new?patient={patient}"))
        .unwrap();
    let (csrf, attempt) = (form_token(&page), hidden(&page, "attempt"));
    let diagnosis = format!("Canary {round}.");
    let fields = [
        ("csrf", csrf.as_str()),
        ("attempt", &attempt),
        ("patient", patient),
        ("discharged", "2026-11-29"),
        ("diagnoses", &diagnosis),
        ("allergies", "Not known"),
        ("no-medicines", "yes"),
        ("gp-actions", "None"),
        ("told", "To rest"),
        ("practice", PRACTICE),
        // Nobody has a node there: its letter waits.
        ("pharmacy", "FZZ98"),
        ("then", "look"),
    ];
    let answer = bo.post_form("/staff/discharges/new", &fields).unwrap();
    let sign = answer.header("location").unwrap_or_default();
    let draft = sign.strip_suffix("/sign");
    draft
        .unwrap_or_else(|| panic!("{sign}: {}", answer.text()))
        .to_owned()
}

/// How many of one discharge's letters were accepted, and how many copies stand in the record.
fn left(site: &Site, draft: &str) -> (i64, i64, bool) {
    let id = draft.rsplit('/').next().unwrap();
    let parcels = format!(
        "SELECT CAST(COUNT(*) AS TEXT) FROM parcel WHERE direction = 0 AND unique_id LIKE '{id}%'"
    );
    let drafts = format!("SELECT state FROM draft WHERE id = '{id}'");
    let documents = format!(
        "SELECT CAST(COUNT(*) AS TEXT) FROM parcel p JOIN place l ON l.id = p.document WHERE p.direction = 0 \
         AND p.unique_id LIKE '{id}%'"
    );
    let state = site.rows.texts(&drafts)[0][0].clone().unwrap();
    let (parcels, documents) = (site.rows.number(&parcels), site.rows.number(&documents));
    (parcels, documents, state == "signed")
}

fn killed_while_signed(postgres: Option<&str>) {
    let mut nodes = Neighbourhood::set_up(postgres);
    set_up(&nodes.hospital);
    account(&nodes.hospital, "bo", "Dr Bo Test", "clinician");
    nodes.practice.process.start();
    nodes.register_patient();
    nodes.hospital.process.start();
    let mut system = nodes.hospital.client();
    let made = system.send_json("POST", "/fhir/Patient", &patient());
    let made: Value = made.unwrap().json();
    let id = made["id"].as_str().unwrap().to_owned();
    let mut cut_off = 0;
    for round in 0..ROUNDS {
        let mut bo = signed_in(&nodes.hospital);
        let draft = written(&mut bo, &id, round);
        let sign = format!("{draft}/sign");
        let csrf = form_token(&bo.get(&sign).unwrap());
        let press = thread::spawn(move || {
            let fields = [("csrf", csrf.as_str()), ("version", "1")];
            bo.post_form(&sign, &fields)
                .is_ok_and(|answer| answer.status == 303)
        });
        thread::sleep(Duration::from_millis(round * 4));
        nodes.hospital.process.kill();
        let was_answered = press.join().unwrap();
        nodes.hospital.process.start();
        let (parcels, documents, is_signed) = left(&nodes.hospital, &draft);
        assert!(
            [(0, 0, false), (2, 2, true)].contains(&(parcels, documents, is_signed)),
            "round {round}: {parcels} letters, {documents} documents, signed: {is_signed}"
        );
        assert!(
            is_signed || !was_answered,
            "round {round}: what was answered is there"
        );
        if !is_signed {
            cut_off += 1;
            let mut bo = signed_in(&nodes.hospital);
            let unsigned = bo.get("/staff/unsigned").unwrap().text();
            assert!(
                unsigned.contains("TESTER"),
                "it is still in the list: {unsigned}"
            );
            let sign = format!("{draft}/sign");
            let csrf = form_token(&bo.get(&sign).unwrap());
            let fields = [("csrf", csrf.as_str()), ("version", "1")];
            let answer = bo.post_form(&sign, &fields).unwrap();
            assert_eq!(answer.status, 303, "{}", answer.text());
        }
        assert_eq!(left(&nodes.hospital, &draft), (2, 2, true), "round {round}");
    }
    println!("{cut_off} of {ROUNDS} signatures were cut off before their commit");
    // Each discharge comes to the practice, and once.
    let arrived =
        "SELECT CAST(COUNT(*) AS TEXT) FROM parcel WHERE direction = 1 AND document IS NOT NULL";
    let all = i64::try_from(ROUNDS).unwrap();
    wait_for("the letters at the practice", 60, || {
        (nodes.practice.rows.number(arrived) == all).then_some(())
    });
    let copies = "SELECT CAST(COUNT(*) AS TEXT) FROM parcel WHERE direction = 1";
    assert_eq!(nodes.practice.rows.number(copies), all);
    let mut bo = signed_in(&nodes.hospital);
    let list = bo.get("/staff/worklist").unwrap().text();
    assert!(list.contains("does not list FZZ98"), "{list}");
    for site in [&mut nodes.hospital, &mut nodes.practice] {
        site.process.kill();
        site.rows.assert_sound();
        assert!(!site.process.log().contains("Canary"), "a log names nobody");
    }
}

#[test]
fn f01_a_discharge_that_is_killed_while_it_is_signed_leaves_whole_or_not_at_all() {
    killed_while_signed(None);
}

#[test]
fn f01_a_discharge_that_is_killed_while_it_is_signed_leaves_whole_or_not_at_all_on_postgresql() {
    if let Some(url) = store::testing::postgres_url() {
        killed_while_signed(Some(&url));
    }
}
