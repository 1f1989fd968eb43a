//! Where a restricted patient lives, looked for in all that two real nodes answer (P13, P14).

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::client::http::Client;
use crate::client::message::letter;
use crate::client::mllp::{Sender, code};
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood, PRACTICE, Site, patient, wait_for};

const PID: &str = "H100001^^^RZZ98^MR~9990000018^^^NHS^NH||TESTER^AMINA||19510304|F|||17 Finchcanary Row^^Anycanary^^ZZ99 7QX||07700900917";
const CANARIES: [&str; 4] = ["finchcanary", "anycanary", "7qx", "900917"];

/// Where each site is asked all it has, as its own system.
const QUESTIONS: [&str; 11] = [
    "Patient",
    "Patient?_summary=text",
    "Patient?_sort=address-city",
    "Patient/_history",
    "_history",
    "DocumentReference?_include=DocumentReference:subject",
    "Encounter?_include=*",
    "Observation?_include=*",
    "Binary",
    "Provenance",
    "Patient?_format=xml",
];

fn register(site: &Site) -> String {
    let mut person = patient();
    person["address"] =
        json!([{ "line": ["17 Finchcanary Row"], "city": "Anycanary", "postalCode": "ZZ99 7QX" }]);
    person["telecom"] = json!([{ "system": "phone", "value": "07700900917" }]);
    let made = site
        .client()
        .send_json("POST", "/fhir/Patient", &person)
        .unwrap();
    assert_eq!(made.status, 201, "{}", made.text());
    made.json()["id"].as_str().unwrap().to_owned()
}

fn id(site: &Site) -> String {
    let found = site
        .client()
        .get("/fhir/Patient?family=Tester")
        .unwrap()
        .json();
    found["entry"][0]["resource"]["id"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// All that the site answers about the patient, in lower case, files of an export and what letters
/// say among it.
fn answers(site: &Site, patient: &str) -> String {
    let mut client = site.client();
    let mut told = String::new();
    let mut add = |text: String| {
        for (at, _) in text.match_indices("\"data\":\"") {
            let data = text[at + 8..].split('"').next().unwrap();
            let letter = STANDARD.decode(data).unwrap_or_default();
            told.push_str(&String::from_utf8_lossy(&letter).to_lowercase());
        }
        told.push_str(&text.to_lowercase());
    };
    let more = [
        format!("Patient/{patient}"),
        format!("Patient/{patient}/_history"),
        format!("Patient/{patient}/$everything"),
        format!("Patient/{patient}/$everything?_format=xml"),
    ];
    for question in QUESTIONS.iter().map(ToString::to_string).chain(more) {
        let answer = client.get(&format!("/fhir/{question}")).unwrap();
        assert!(answer.status < 500, "{question}: {}", answer.text());
        add(answer.text());
    }
    for file in exported(&mut client) {
        add(file);
    }
    told
}

/// The files of a system export, and its manifest.
fn exported(client: &mut Client) -> Vec<String> {
    let (files, manifest) = listed(client);
    let mut texts = fetched(client, &files);
    texts.push(manifest.to_string());
    texts
}

fn fetched(client: &mut Client, files: &[String]) -> Vec<String> {
    let text = |at: &String| client.get(at).unwrap().text();
    files.iter().map(text).collect()
}

/// Where the files of a new system export are, and its manifest.
fn listed(client: &mut Client) -> (Vec<String>, Value) {
    let begin = [
        ("prefer", "respond-async"),
        ("accept", "application/fhir+json"),
    ];
    let begun = client
        .request("GET", "/fhir/$export?_purpose=TREAT", &begin, b"")
        .unwrap();
    assert_eq!(begun.status, 202, "{}", begun.text());
    let at = path(begun.header("content-location").unwrap()).to_owned();
    let manifest = wait_for("the export", 30, || {
        let answer = client.get(&at).unwrap();
        (answer.status == 200).then(|| answer.json())
    });
    let files = manifest["output"].as_array().unwrap();
    let address = |file: &Value| path(file["url"].as_str().unwrap()).to_owned();
    (files.iter().map(address).collect(), manifest)
}

fn path(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or("/", |at| &rest[at..])
}

/// How many a search by the patient's own street finds.
fn by_street(site: &Site) -> Value {
    let asked = "/fhir/Patient?address=17%20Finchcanary&_summary=count";
    site.client().get(asked).unwrap().json()["total"].clone()
}

fn found(text: &str) -> Vec<&'static str> {
    CANARIES
        .into_iter()
        .filter(|canary| text.contains(canary))
        .collect()
}

fn flag(site: &Site, patient: &str) {
    let label: Value = json!({ "resourceType": "Parameters", "parameter": [{ "name": "meta", "valueMeta": { "security": [
        { "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R" },
    ] } }] });
    let at = format!("/fhir/Patient/{patient}/$meta-add");
    let answer = site.client().send_json("POST", &at, &label).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn p13_p14_a_flag_at_the_home_practice_takes_where_a_patient_lives_out_of_all_answers_of_both_nodes()
 {
    let nodes = Neighbourhood::start();
    let at_home = register(&nodes.practice);
    let mut sender = Sender::connect(nodes.hospital.mllp).unwrap();
    let message = letter(HOSPITAL, PRACTICE, "RESTRICT1", PID)
        .replace("Dear colleague", "To 17 Finchcanary Row, Anycanary ZZ997QX");
    assert_eq!(code(&sender.send(&message).unwrap()), "AA");
    wait_for("the letter in the inbox", 30, || {
        let rows = nodes.practice.rows.parcels(false).remove("RESTRICT1");
        rows.filter(|rows| rows[0].taken_in)
    });
    let sites = [
        (&nodes.practice, at_home.clone()),
        (&nodes.hospital, id(&nodes.hospital)),
    ];
    for (site, patient) in &sites {
        assert_eq!(
            found(&answers(site, patient)),
            CANARIES,
            "before the flag, at {}",
            site.ods
        );
    }
    assert_eq!(by_street(&nodes.practice), 1);
    let (files_of_before, _) = listed(&mut nodes.practice.client());
    flag(&nodes.practice, &at_home);
    let since = Instant::now();
    for (site, patient) in &sites {
        let done = format!("nothing left at {}", site.ods);
        wait_for(&done, 60, || {
            std::thread::sleep(Duration::from_millis(300));
            found(&answers(site, patient)).is_empty().then_some(())
        });
    }
    // An export that was made before is fetched now.
    let files = fetched(&mut nodes.practice.client(), &files_of_before).concat();
    assert!(files.contains(&at_home), "the patient is in the files");
    assert_eq!(found(&files.to_lowercase()), [""; 0]);
    println!(
        "nothing left at either after {} ms",
        since.elapsed().as_millis()
    );
    // What comes later, by a feed that knows nothing of it, is taken out as well.
    let later = message.replace("RESTRICT1", "RESTRICT2");
    assert_eq!(code(&sender.send(&later).unwrap()), "AA");
    wait_for("the second letter in the inbox", 30, || {
        let rows = nodes.practice.rows.parcels(false).remove("RESTRICT2");
        rows.filter(|rows| rows[0].taken_in)
    });
    for (site, patient) in &sites {
        let told = answers(site, patient);
        assert_eq!(found(&told), [""; 0], "at {}", site.ods);
        assert!(told.contains("restrict2"), "the letter itself is there");
        assert_eq!(by_street(site), 0);
        let log = site.process.log().to_lowercase();
        assert_eq!(found(&log), [""; 0], "in the log of {}", site.ods);
    }
}
