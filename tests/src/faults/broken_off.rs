//! Long work that is broken off: a record that is being sent, by its reader and by the end of the process; the
//! indexing of what is there, by kills.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use super::Chance;
use crate::client::http::whole;
use crate::node::neighbourhood::{Neighbourhood, Site, wait_for};
use crate::node::process::run;

/// Observations of the one patient, and people who are indexed.
const SEEN: usize = 2500;
const PEOPLE: usize = 6000;
/// Readers that go away in the midst: many times the connections that the store has for reading.
const READERS: usize = 40;

fn import(site: &Site, name: &str, lines: &[Value]) {
    let text: Vec<String> = lines.iter().map(ToString::to_string).collect();
    std::fs::write(site.folder.join(name), text.join("\n")).unwrap();
    let told = run(&site.folder, &["import", name]);
    assert!(
        told.contains(&format!("{} resources taken in", lines.len())),
        "{told}"
    );
}

fn record() -> Vec<Value> {
    let note = "a long note about nothing in particular ".repeat(30);
    let seen = |number: usize| {
        json!({
            "resourceType": "Observation", "id": format!("o{number}"), "status": "final",
            "code": { "text": "made up" }, "subject": { "reference": "Patient/jane" },
            "note": [{ "text": format!("{number} {note}") }]
        })
    };
    let mut lines = vec![json!({ "resourceType": "Patient", "id": "jane" })];
    lines.extend((0..SEEN).map(seen));
    lines
}

/// Asks for the record and reads only so much of it.
fn begun(site: &Site, bytes: usize) -> (TcpStream, Vec<u8>) {
    let mut stream = TcpStream::connect(site.pages).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let head = format!(
        "GET /fhir/Patient/jane/$everything HTTP/1.1\r\nhost: {}\r\nconnection: close\r\nauthorization: Bearer {}\r\n\r\n",
        site.pages, site.token
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut read = vec![0; bytes];
    stream.read_exact(&mut read).unwrap();
    assert!(
        read.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&read)
    );
    (stream, read)
}

fn is_whole(site: &Site) {
    let answer = site.client().get("/fhir/Patient/jane/$everything").unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["entry"].as_array().unwrap().len(), SEEN + 1);
}

fn everything_is_broken_off(postgres: Option<&str>) {
    let mut nodes = Neighbourhood::set_up(postgres);
    let site = &mut nodes.hospital;
    import(site, "record.ndjson", &record());
    site.process.start();
    is_whole(site);
    // Readers who go away leave nothing behind that others would have to wait for.
    for _ in 0..READERS {
        drop(begun(site, 20_000));
    }
    is_whole(site);
    // A kill in the midst: what came is no whole answer.
    let (mut stream, mut read) = begun(site, 20_000);
    site.process.kill();
    let _ = stream.read_to_end(&mut read);
    assert!(
        whole(&read).is_none(),
        "an answer that was cut off looks whole"
    );
    site.process.start();
    is_whole(site);
    // Asked to stop in the midst, it ends, and the answer is whole or cut: never short and whole.
    let (mut stream, mut read) = begun(site, 20_000);
    let ended = site.process.interrupt();
    assert!(ended.success(), "{ended:?}");
    let _ = stream.read_to_end(&mut read);
    if let Some(answer) = whole(&read) {
        assert_eq!(answer.json()["entry"].as_array().unwrap().len(), SEEN + 1);
    }
    site.process.start();
    is_whole(site);
    site.process.kill();
    site.rows.assert_sound();
}

#[test]
fn a_record_that_is_broken_off_while_it_is_sent_harms_nobody_and_never_looks_whole() {
    everything_is_broken_off(None);
}

#[test]
fn a_record_that_is_broken_off_while_it_is_sent_never_looks_whole_on_postgres() {
    if let Some(url) = store::testing::postgres_url() {
        everything_is_broken_off(Some(&url));
    }
}

/// Done, total and whether it has ended, as `$reindex` tells them of the job.
fn progress(site: &Site) -> Option<(u64, u64, bool)> {
    let answer = site.client().get("/fhir/$reindex").ok()?;
    let told = answer.json();
    let job = told["parameter"].as_array()?.iter().find(|job| {
        job["part"].as_array().is_some_and(|parts| {
            parts
                .iter()
                .any(|part| part["valueString"] == "SearchParameter/status")
        })
    })?;
    let part = |name: &str| {
        let mut parts = job["part"].as_array()?.iter();
        parts.find(|part| part["name"] == name).cloned()
    };
    let number = |name: &str| part(name)?["valueDecimal"].as_u64();
    let state = part("state")?["valueCode"].as_str()?.to_owned();
    Some((number("done")?, number("total")?, state == "done"))
}

fn reindexing_is_killed(postgres: Option<&str>) {
    let mut nodes = Neighbourhood::set_up(postgres);
    let site = &mut nodes.hospital;
    let people: Vec<Value> = (0..PEOPLE)
        .map(|number| {
            let status = if number % 2 == 0 { "Widowed" } else { "Single" };
            json!({ "resourceType": "Patient", "id": format!("p{number}"), "maritalStatus": { "text": status } })
        })
        .collect();
    import(site, "people.ndjson", &people);
    site.process.start();
    let parameter = json!({
        "resourceType": "SearchParameter", "id": "status", "url": "https://fhir.example/SearchParameter/status",
        "name": "Status", "status": "active", "description": "Made up", "code": "status-text",
        "base": ["Patient"], "type": "string", "expression": "Patient.maritalStatus.text"
    });
    let put = site
        .client()
        .send_json("PUT", "/fhir/SearchParameter/status", &parameter);
    let put = put.unwrap();
    assert_eq!(put.status, 201, "{}", put.text());
    let mut chance = Chance::new();
    let (mut kills, mut before) = (0, 0);
    for _ in 0..4 {
        let (done, total, is_done) = wait_for("the work to go on", 60, || {
            progress(site).filter(|(done, _, is_done)| *is_done || *done > before)
        });
        if is_done {
            break;
        }
        assert_eq!(total, PEOPLE as u64);
        assert!(
            done >= before,
            "what was done is not done again from the start"
        );
        before = done;
        std::thread::sleep(Duration::from_millis(chance.below(60)));
        let early = site
            .client()
            .get("/fhir/Patient?status-text=widowed&_summary=count");
        if let Ok(early) = early
            && progress(site).is_some_and(|(_, _, is_done)| !is_done)
        {
            assert_ne!(
                early.status, 200,
                "a search before the end would find too few"
            );
        }
        site.process.kill();
        kills += 1;
        site.process.start();
    }
    assert!(kills > 0, "it was done before it could be killed");
    println!("{kills} kills");
    wait_for("the work to end", 120, || {
        progress(site).filter(|(_, _, is_done)| *is_done)
    });
    for (asked, expected) in [("widowed", PEOPLE / 2), ("single", PEOPLE / 2)] {
        let found = wait_for("the parameter to be searched by", 10, || {
            let path = format!("/fhir/Patient?status-text={asked}&_summary=count");
            site.client()
                .get(&path)
                .ok()
                .filter(|answer| answer.status == 200)
        });
        assert_eq!(found.json()["total"], expected, "{asked}");
    }
    site.process.kill();
    site.rows.assert_sound();
}

#[test]
fn indexing_that_is_killed_goes_on_where_it_was_and_misses_nothing() {
    reindexing_is_killed(None);
}

#[test]
fn indexing_that_is_killed_goes_on_where_it_was_on_postgres() {
    if let Some(url) = store::testing::postgres_url() {
        reindexing_is_killed(Some(&url));
    }
}
