//! The national data opt-out, between a node and the NHS's own stand-in for MESH (PyPI `mesh-sandbox`), behind which a
//! stub of the service answers (`tests/clients/opt_out_service_stub.py`).

mod mutual;
mod pieces;
pub mod stand_in;

use std::process::{Command, Output};

use serde_json::{Value, json};
use stand_in::{MAILBOX, StandIn};

use crate::node::neighbourhood::{Neighbourhood, Site, wait_for};
use crate::setting::handover;

const SYSTEM: &str = "https://fhir.nhs.uk/Id/nhs-number";
/// Made-up people: id, number, family, given.
const PEOPLE: [(&str, &str, &str, &str); 6] = [
    ("p-ann", "9990000018", "Thistlewick", "Annabeth"),
    ("p-bob", "9990000026", "Zyxwander", "Quillemino"),
    ("p-cat", "9990000034", "Larkspur", "Cathleena"),
    ("p-dan", "9990000042", "Yxquander", "Dannifer"),
    ("p-eve", "9990000050", "Larkspur", "Evangela"),
    ("p-fay", "9990000069", "Larkspur", "Fayette"),
];
/// Those who opted out.
const OUT: [&str; 2] = ["p-bob", "p-dan"];

fn person(id: &str) -> (&'static str, &'static str, &'static str) {
    let found = PEOPLE.iter().find(|it| it.0 == id).unwrap();
    (found.1, found.2, found.3)
}

/// What of these people must not be found, however it is written.
fn canaries(ids: &[&str]) -> Vec<String> {
    let of = |id: &&str| {
        let (number, family, given) = person(id);
        let grouped = format!("{} {} {}", &number[..3], &number[3..6], &number[6..]);
        let note = format!("note about {given}");
        [
            number.to_owned(),
            grouped,
            family.to_owned(),
            given.to_owned(),
            note,
        ]
    };
    ids.iter().flat_map(of).collect()
}

fn assert_silent(text: &str, ids: &[&str], what: &str) {
    for canary in canaries(ids) {
        assert!(!text.contains(&canary), "{what} tells {canary:?}");
    }
}

/// The node asks as soon as it serves; nobody is there yet, so that nobody is asked about.
fn first_check(site: &Site) {
    wait_for("the first check", 30, || {
        let told = all_of(&command(site, &["opt-out", "status"]));
        told.contains("In force: Check 1 of").then_some(())
    });
}

fn register(site: &Site) {
    let mut client = site.client();
    for (id, number, family, given) in PEOPLE {
        let patient = json!({
            "resourceType": "Patient", "id": id, "birthDate": "1961-02-03",
            "identifier": [{ "system": SYSTEM, "value": number }],
            "name": [{ "family": family, "given": [given] }],
        });
        let answer = client
            .send_json("PUT", &format!("/fhir/Patient/{id}"), &patient)
            .unwrap();
        assert_eq!(answer.status, 201, "{}", answer.text());
        let observation = json!({
            "resourceType": "Observation", "id": format!("o-{id}"), "status": "final",
            "code": { "text": "pulse" }, "subject": { "reference": format!("Patient/{id}") },
            "note": [{ "text": format!("note about {given}") }],
        });
        let path = format!("/fhir/Observation/o-{id}");
        let answer = client.send_json("PUT", &path, &observation).unwrap();
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
}

/// A command that may fail.
fn command(site: &Site, arguments: &[&str]) -> Output {
    let mut command = Command::new(handover());
    command.args(arguments).env("HANDOVER_LOG", "debug");
    command.current_dir(&site.folder).output().unwrap()
}

fn all_of(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    format!("{text}{}", String::from_utf8_lossy(&output.stderr))
}

fn kick_off(site: &Site, purpose: &str) -> (u16, String, Option<String>) {
    let path = format!("/fhir/$export{purpose}");
    let prefer = [("prefer", "respond-async")];
    let answer = site.client().request("GET", &path, &prefer, &[]).unwrap();
    let place = answer.header("content-location").map(path_of);
    (answer.status, answer.text(), place)
}

fn path_of(url: &str) -> String {
    let at = url.find("/fhir/").unwrap();
    url[at..].to_owned()
}

/// The manifest, and all that its files hold.
fn export(site: &Site, purpose: &str) -> (Value, String) {
    let (status, text, place) = kick_off(site, purpose);
    assert_eq!(status, 202, "{text}");
    let place = place.unwrap();
    let manifest = wait_for("the export", 30, || {
        let answer = site.client().get(&place).unwrap();
        (answer.status == 200).then(|| answer.json())
    });
    let mut files = String::new();
    for file in manifest["output"].as_array().unwrap() {
        let answer = site
            .client()
            .get(&path_of(file["url"].as_str().unwrap()))
            .unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        files.push_str(&answer.text());
    }
    (manifest, files)
}

fn asks_and_obeys(nodes: &mut Neighbourhood) {
    let site = &mut nodes.hospital;
    let mesh = StandIn::start(&site.folder);
    mesh.opted_out(OUT.map(|id| person(id).0).as_slice());
    mesh.set_up(site);
    site.process.start();
    first_check(site);
    register(site);
    // Who came since the last check blocks what is not care, and the way on is named.
    let (status, text, _) = kick_off(site, "?_purpose=HRESCH");
    assert_eq!(status, 409, "{text}");
    assert!(text.contains("handover opt-out check"), "{text}");
    let (status, text, _) = kick_off(site, "");
    assert_eq!(status, 400, "{text}");
    assert!(!command(site, &["opt-out", "status"]).status.success());
    let checked = command(site, &["opt-out", "check", "--wait-minutes", "2"]);
    assert!(
        checked.status.success(),
        "{}{}",
        all_of(&checked),
        mesh.log()
    );
    let told = all_of(&checked);
    assert!(
        told.contains("6 people were asked about, 4 may be used"),
        "{told}"
    );
    let status = command(site, &["opt-out", "status"]);
    assert!(status.status.success(), "{}", all_of(&status));
    let standing = all_of(&status);
    assert!(
        standing.contains("of 6 patients, 2 would be left out"),
        "{standing}"
    );
    let (manifest, files) = export(site, "?_purpose=HRESCH");
    assert_silent(&files, &OUT, "a file");
    assert_silent(
        &manifest.to_string(),
        &PEOPLE.map(|it| it.0),
        "the manifest",
    );
    for id in ["p-ann", "p-cat", "p-eve", "p-fay"] {
        assert!(
            files.contains(person(id).0) && files.contains(person(id).2),
            "{id}"
        );
    }
    assert_eq!(manifest["extension"]["optOutApplied"], true);
    // For care they are there.
    let (_, files) = export(site, "?_purpose=TREAT");
    assert!(canaries(&["p-bob"]).iter().any(|it| files.contains(it)));
    // Whoever opts out later is left out from the next answer on, by the check of the command.
    mesh.opted_out(&[person("p-ann").0]);
    let checked = command(site, &["opt-out", "check", "--wait-minutes", "2"]);
    assert!(all_of(&checked).contains("6 people were asked about, 5 may be used"));
    let (_, files) = export(site, "?_purpose=HRESCH");
    assert_silent(&files, &["p-ann"], "a file");
    assert!(files.contains(person("p-bob").0));
    let log = site.process.log();
    for (text, what) in [
        (&log, "the node's log"),
        (&told, "check"),
        (&standing, "status"),
    ] {
        assert_silent(text, &PEOPLE.map(|it| it.0), what);
    }
    assert!(
        mesh.log().contains("asked 6 usable 4 fits True"),
        "{}",
        mesh.log()
    );
}

#[test]
fn p20_p21_a_node_asks_over_mesh_and_obeys_the_answer() {
    asks_and_obeys(&mut Neighbourhood::set_up(None));
}

#[test]
fn p20_p21_a_node_asks_over_mesh_and_obeys_the_answer_on_postgres() {
    if let Some(url) = store::testing::postgres_url() {
        asks_and_obeys(&mut Neighbourhood::set_up(Some(&url)));
    }
}

/// What an operator reads when something is set up wrongly names what to look at.
#[test]
fn p20_what_keeps_a_node_from_asking_is_told_with_the_setting() {
    let mut nodes = Neighbourhood::set_up(None);
    let site = &mut nodes.hospital;
    let none = command(site, &["opt-out", "check"]);
    assert!(!none.status.success());
    assert!(
        all_of(&none).contains("[opt_out] mailbox"),
        "{}",
        all_of(&none)
    );
    let mesh = StandIn::start(&site.folder);
    mesh.set_up(site);
    site.process.start();
    first_check(site);
    register(site);
    site.process.kill();
    let settings = std::fs::read_to_string(site.folder.join("handover.toml")).unwrap();
    let with = |from: &str, to: &str| {
        assert!(settings.contains(from));
        std::fs::write(
            site.folder.join("handover.toml"),
            settings.replace(from, to),
        )
        .unwrap();
        let output = command(site, &["opt-out", "check"]);
        assert!(!output.status.success(), "{}", all_of(&output));
        assert_silent(&all_of(&output), &PEOPLE.map(|it| it.0), "the command");
        all_of(&output)
    };
    let told = with(
        &format!("[opt_out]\nmailbox = \"{}\"", stand_in::SERVICE),
        "[opt_out]\nmailbox = \"NOBODY1\"",
    );
    assert!(
        told.contains("417") && told.contains("check [opt_out] mailbox"),
        "{told}"
    );
    let told = with("mesh-password", "mesh-shared-key");
    assert!(
        told.contains("403") && told.contains("[mesh] mailbox, password"),
        "{told}"
    );
    let told = with(&format!("mailbox = \"{MAILBOX}\""), "mailbox = \"NOBODY2\"");
    assert!(told.contains("403"), "{told}");
    let told = with(&mesh.url(), "http://127.0.0.1:9");
    assert!(told.contains("cannot be reached"), "{told}");
}
