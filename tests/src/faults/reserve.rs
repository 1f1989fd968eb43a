//! P29: on a full disk people who care for patients still read, each look with its trace on the disk, until the room kept
//! for that is used up; a record opens in an emergency; then nothing is shown that leaves no trace.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::full_disk::SmallDisk;
use super::people::{PASSWORD, clinician, form_token, sign_in};
use crate::client::http::{Answer, Client};
use crate::node::look::Rows;
use crate::node::neighbourhood::{Neighbourhood, patient, token, wait_for};

const DISK_MIB: u32 = 48;
/// Half of it in each of the files of the journal.
const RESERVE_BYTES: u64 = 8 << 20;
/// What the log keeps of a query: each look takes its room.
const LONG: usize = 1500;
const LOOKS_MAX: usize = 40_000;

/// Writes until the disk takes no more.
fn fill(disk: &Path) {
    let mut file = std::fs::File::create(disk.join("ballast")).unwrap();
    let block = [0; 4096];
    while file.write_all(&block).is_ok() {}
}

fn look(client: &mut Client, number: usize) -> Answer {
    let padding = "x".repeat(LONG);
    client
        .get(&format!(
            "/fhir/Patient?family=Tester&given={padding}{number}"
        ))
        .unwrap()
}

/// As if they had just shown a second factor; that it is asked for is another test's.
fn step_up(database: &Path) {
    let connection = rusqlite::Connection::open(database).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = i64::try_from(now.as_millis()).unwrap();
    let changed = connection.execute("UPDATE session SET aal = 2, stepped_up_at = ?1", [now]);
    assert_eq!(changed.unwrap(), 1);
}

#[test]
fn p29_on_a_full_disk_reading_leaves_its_trace_until_the_reserve_is_used_up() {
    let mut nodes = Neighbourhood::set_up(None);
    let disk = nodes.practice.folder.join("small");
    let Some(_mounted) = SmallDisk::mount(&disk, DISK_MIB) else {
        eprintln!("\n*** SKIPPED: this user may not mount a small file system ***\n");
        return;
    };
    let settings = nodes.practice.folder.join("handover.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    let small = text.replace("\"handover.sqlite\"", "\"small/handover.sqlite\"");
    let small = format!(
        "{small}\n[sign_in]\nstaff = [\"password\"]\n\n[audit]\nreserve_bytes = {RESERVE_BYTES}\n\n\
         [access]\nrelationships = \"required\"\n"
    );
    std::fs::write(&settings, small).unwrap();
    nodes.practice.token = token(&nodes.practice.folder);
    let mut bo = clinician(&nodes.practice);
    nodes.practice.process.start();
    let registered = nodes
        .practice
        .client()
        .send_json("POST", "/fhir/Patient", &patient())
        .unwrap();
    assert_eq!(registered.status, 201, "{}", registered.text());
    let jane = registered.json()["id"].as_str().unwrap().to_owned();
    sign_in(&mut bo);
    step_up(&disk.join("handover.sqlite"));
    fill(&disk);
    let mut system = nodes.practice.client();
    let unwritten = wait_for("a change that is refused", 30, || {
        let body = json!({ "resourceType": "Basic", "code": { "text": "x".repeat(500_000) } });
        let answer = system.send_json("POST", "/fhir/Basic", &body).unwrap();
        (answer.status != 201).then_some(answer)
    });
    assert_eq!(unwritten.status, 507, "{}", unwritten.text());

    let mut looks = 0;
    for _ in 0..50 {
        assert_eq!(look(&mut system, looks).status, 200, "look {looks}");
        looks += 1;
    }
    let page = format!("/staff/emergency-access/{jane}");
    let csrf = form_token(&bo.get(&page).unwrap());
    let fields = [
        ("csrf", csrf.as_str()),
        ("code", "unable-to-ask"),
        ("reason", "Found unconscious at home"),
        ("password", PASSWORD),
    ];
    let opened = bo.post_form(&page, &fields).unwrap();
    assert_eq!(opened.status, 303, "{}", opened.text());
    let seen = bo.get(&format!("/staff/patient/{jane}")).unwrap();
    assert!(
        seen.status == 200 && seen.text().contains("TESTER") || seen.text().contains("Tester"),
        "{}",
        seen.text()
    );
    let still = system.send_json(
        "POST",
        "/fhir/Basic",
        &json!({ "resourceType": "Basic", "code": { "text": "x" } }),
    );
    assert_eq!(
        still.unwrap().status,
        507,
        "the room that was freed is for emergencies"
    );

    // Not one look without its trace: from here on they are refused.
    let refused = (0..LOOKS_MAX).find_map(|_| {
        let answer = look(&mut system, looks);
        if answer.status == 200 {
            looks += 1;
            return None;
        }
        Some(answer)
    });
    let refused = refused.expect("the reserve never ends");
    assert_eq!(refused.status, 507, "{}", refused.text());
    assert!(
        !refused.text().contains("TESTER") && !refused.text().contains("Tester"),
        "{}",
        refused.text()
    );
    println!("{looks} looks on a full disk");

    // What was shown left its trace for good, whatever happens to the process.
    nodes.practice.process.kill();
    std::fs::remove_file(disk.join("ballast")).unwrap();
    nodes.practice.process.start();
    let rows = Rows::Sqlite(disk.join("handover.sqlite"));
    let traced = wait_for("the traces in the tables", 60, || {
        let query = "SELECT CAST(COUNT(*) AS TEXT) FROM audit WHERE query LIKE '%xxxxxxxx%' AND outcome = 'success'";
        let traced = rows.number(query);
        (usize::try_from(traced).unwrap() >= looks).then_some(traced)
    });
    assert_eq!(usize::try_from(traced).unwrap(), looks);
    let written = wait_for("a change once there is room", 30, || {
        let body = json!({ "resourceType": "Basic", "code": { "text": "x" } });
        let answer = nodes
            .practice
            .client()
            .send_json("POST", "/fhir/Basic", &body)
            .ok()?;
        (answer.status == 201).then_some(answer)
    });
    assert_eq!(written.status, 201);
}
