//! The FHIR door, and the node that stands behind the one with faults.

use serde_json::{Value, json};

use super::{Checked, check, secret};
use crate::node::neighbourhood::{Neighbourhood, Site};

/// Made-up people; the second word of each is what must be in no report.
const NAMES: [&str; 7] = [
    "Quillfeather",
    "Marrowby",
    "Thistlewick",
    "Oxenfold",
    "Pemberquist",
    "Larkspurton",
    "Dunwhistle",
];

/// The made-up number of that person, with its last digit right.
pub fn number(person: usize) -> String {
    let digits: Vec<u32> = format!("9990{:05}", 11 + person)
        .chars()
        .filter_map(|c| c.to_digit(10))
        .collect();
    let sum: u32 = digits
        .iter()
        .zip((2..=10).rev())
        .map(|(digit, weight)| digit * weight)
        .sum();
    let last = match 11 - sum % 11 {
        11 => 0,
        last => last,
    };
    let text: String = digits.iter().map(u32::to_string).collect();
    match last {
        // No number ends so: the next person's.
        10 => number(person + 20),
        last => format!("{text}{last}"),
    }
}

/// Fills the site with made-up records.
pub fn fill(site: &Site) {
    let mut client = site.client();
    let mut put = |ty: &str, resource: &Value| {
        let answer = client
            .send_json("POST", &format!("/fhir/{ty}"), resource)
            .unwrap();
        assert_eq!(answer.status, 201, "{}", answer.text());
        let location = answer.header("location").unwrap().to_owned();
        location.split('/').rev().nth(2).unwrap().to_owned()
    };
    for (person, family) in NAMES.iter().enumerate() {
        let patient = put(
            "Patient",
            &json!({
                "resourceType": "Patient",
                "active": true,
                "identifier": [{ "system": "https://fhir.nhs.uk/Id/nhs-number", "value": number(person) }],
                "name": [{ "family": family, "given": ["Amina"] }],
                "gender": "female",
                "birthDate": "1951-03-04",
            }),
        );
        if person < 3 {
            put(
                "Observation",
                &json!({
                    "resourceType": "Observation",
                    "status": "final",
                    "code": { "coding": [{ "system": "http://loinc.org", "code": "8867-4" }] },
                    "subject": { "reference": format!("Patient/{patient}") },
                    "effectiveDateTime": "2026-01-05T09:00:00Z",
                    "valueQuantity": { "value": 72, "unit": "/min", "system": "http://unitsofmeasure.org", "code": "/min" },
                }),
            );
        }
    }
    put(
        "Organization",
        &json!({
            "resourceType": "Organization",
            "active": true,
            "identifier": [{ "system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "RZZ98" }],
            "name": "Anytown hospital",
        }),
    );
}

pub fn token(site: &Site) -> String {
    secret(&site.folder, "check-token", &site.token)
}

fn holds(nodes: &Neighbourhood) -> Checked {
    fill(&nodes.practice);
    let base = format!("http://{}/fhir", nodes.practice.pages);
    let checked = check(&[&base, "--token", &token(&nodes.practice), "--write"]);
    println!("{}", checked.said);
    assert_eq!(checked.told(), "");
    assert_eq!(checked.code, 0, "{}", checked.said);
    // What applies was told: nothing passes for want of being looked at.
    let untold = checked.with("could-not-be-told");
    assert!(untold.is_empty(), "{untold:?}\n{}", checked.said);
    assert_eq!(checked.report()["notRemoved"], json!([]));
    checked
}

#[test]
fn a_checked_node_meets_fhir_smart_and_uk_and_the_report_names_nobody() {
    let nodes = Neighbourhood::start();
    let checked = holds(&nodes);
    let html = std::fs::read_to_string(checked.html()).unwrap();
    let all = [html, checked.report().to_string(), checked.said.clone()].concat();
    assert!(
        !all.contains(&nodes.practice.token),
        "the report holds the token"
    );
    for (person, family) in NAMES.iter().enumerate() {
        assert!(!all.contains(family), "the report names {family}");
        assert!(!all.contains(&number(person)), "the report holds a number");
    }
    let mut client = nodes.practice.client();
    let patients = client.get("/fhir/Patient").unwrap().json();
    for entry in patients["entry"].as_array().unwrap() {
        let id = entry["resource"]["id"].as_str().unwrap();
        assert!(!all.contains(id), "the report holds a whole id");
    }
    super::report::is_accessible(&checked);
    // Without --write it changes nothing.
    let base = format!("http://{}/fhir", nodes.practice.pages);
    let before = versions(&nodes.practice);
    let checked = check(&[&base, "--token", &token(&nodes.practice)]);
    assert_eq!(
        (checked.told().as_str(), checked.code),
        ("", 0),
        "{}",
        checked.said
    );
    assert_eq!(versions(&nodes.practice), before);
    let untold = checked.with("could-not-be-told");
    assert!(untold.contains("fhir-transaction") && untold.contains("fhir-create"));
}

/// How many versions of anything there are.
fn versions(site: &Site) -> usize {
    let mut client = site.client();
    let told = client.get("/fhir/_history?_count=500").unwrap().json();
    let count = told["entry"].as_array().unwrap().len();
    assert!((10..500).contains(&count), "{count} versions");
    count
}

#[test]
fn a_checked_node_on_postgresql_meets_fhir_smart_and_uk() {
    if let Some(url) = store::testing::postgres_url() {
        holds(&Neighbourhood::start_on(Some(&url)));
    }
}

#[test]
fn what_cannot_be_checked_ends_with_two_and_says_why() {
    let nobody = crate::node::ports::free_address();
    let checked = check(&[&format!("http://{nobody}/fhir")]);
    assert_eq!(checked.code, 2, "{}", checked.said);
    assert!(
        checked.said.contains("could not be reached"),
        "{}",
        checked.said
    );
    for wrong in [
        &["ftp://a.example"][..],
        &["http://127.0.0.1:1/fhir", "--only", "mesh"],
        &["mllp://127.0.0.1"],
        &["http://127.0.0.1:1/messageexchange/A"],
        &["http://127.0.0.1:1/fhir", "--timeout", "0"],
    ] {
        let checked = check(wrong);
        assert_eq!(checked.code, 2, "{wrong:?}: {}", checked.said);
    }
}

#[test]
fn without_a_token_a_node_is_asked_for_one_and_nothing_passes() {
    let nodes = Neighbourhood::start();
    let base = format!("http://{}/fhir", nodes.practice.pages);
    let checked = check(&[&base]);
    assert_eq!(
        (checked.told().as_str(), checked.code),
        ("", 0),
        "{}",
        checked.said
    );
    let read = checked.of("fhir-read");
    assert_eq!(read["verdict"], "could-not-be-told");
    assert!(
        read["reason"].as_str().unwrap().contains("--token"),
        "{read}"
    );
    assert!(checked.with("met").contains("smart-pkce"));
}
