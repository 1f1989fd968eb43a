//! A Patient who names the practice by nothing but a reference to an Organization, told over FHIR to a real node: the practice
//! is told that something is held about them.

use serde_json::{Value, json};

use crate::node::neighbourhood::{HOSPITAL, Neighbourhood, PRACTICE, Site, patient, wait_for};

const ANSWER_SECONDS: u64 = 90;
const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
const PATIENT: &str = "urn:uuid:0c7f9a52-6a0e-4b61-9d0c-5f1d53b0a001";
const SURGERY: &str = "urn:uuid:0c7f9a52-6a0e-4b61-9d0c-5f1d53b0a002";

fn rows(site: &Site, sql: &str) -> i64 {
    let sql = format!("SELECT CAST(COUNT(*) AS TEXT) FROM {sql}");
    site.rows.number(&sql)
}

fn entry(url: &str, resource: &Value) -> Value {
    let ty = resource["resourceType"].clone();
    json!({ "fullUrl": url, "resource": resource, "request": { "method": "POST", "url": ty } })
}

/// The patient, a measurement, and last of all the practice that the patient refers to.
fn bundle() -> Value {
    let mut amina = patient();
    amina["generalPractitioner"] = json!([{ "reference": SURGERY }]);
    let measured = json!({
        "resourceType": "Observation",
        "status": "final",
        "code": { "text": "Weight" },
        "subject": { "reference": PATIENT },
    });
    let surgery = json!({
        "resourceType": "Organization",
        "name": "Anytown Surgery",
        "identifier": [{ "system": ODS, "value": PRACTICE }],
    });
    json!({ "resourceType": "Bundle", "type": "transaction", "entry": [
        entry(PATIENT, &amina),
        entry("urn:uuid:0c7f9a52-6a0e-4b61-9d0c-5f1d53b0a003", &measured),
        entry(SURGERY, &surgery),
    ] })
}

/// The id of what the entry at that place made.
fn made(answer: &Value, at: usize) -> String {
    let location = answer["entry"][at]["response"]["location"]
        .as_str()
        .unwrap();
    let (address, _) = location.split_once("/_history/").unwrap();
    address.rsplit('/').next().unwrap().to_owned()
}

fn told(postgres: Option<&str>) {
    let nodes = Neighbourhood::start_on(postgres);
    nodes.register_patient();
    let mut client = nodes.hospital.client();
    let answer = client.send_json("POST", "/fhir", &bundle()).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let (amina, surgery) = (made(&answer.json(), 0), made(&answer.json(), 2));
    let home = format!("sharing_home WHERE patient = '{amina}' AND home = '{PRACTICE}'");
    assert_eq!(rows(&nodes.hospital, &home), 1);
    let pointer = format!("pointer_held WHERE custodian = '{HOSPITAL}' AND withdrawn = 0");
    wait_for("the pointer at the practice", ANSWER_SECONDS, || {
        (rows(&nodes.practice, &pointer) == 1).then_some(())
    });
    // The same by the node's own full address, and by another node's, which says nothing.
    for (base, homes) in [
        (format!("http://{}", nodes.hospital.pages), 1),
        ("http://other.example.nhs.uk".to_owned(), 0),
    ] {
        let mut changed = patient();
        changed["id"] = json!(amina);
        changed["generalPractitioner"] =
            json!([{ "reference": format!("{base}/fhir/Organization/{surgery}") }]);
        let path = format!("/fhir/Patient/{amina}");
        let answer = client.send_json("PUT", &path, &changed).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(rows(&nodes.hospital, &home), homes, "{base}");
    }
    for site in [&nodes.hospital, &nodes.practice] {
        site.rows.assert_sound();
    }
}

#[test]
fn a_practice_that_a_patient_only_refers_to_is_told_that_something_is_held() {
    told(None);
}

#[test]
fn a_practice_that_a_patient_only_refers_to_is_told_on_postgresql() {
    if let Some(url) = store::testing::postgres_url() {
        told(Some(&url));
    }
}
