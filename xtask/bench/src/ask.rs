//! What other organisations hold of one patient, asked for at eight of them that each take their time.

use std::time::{Duration, Instant};

use access::{Ods, Role};
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use store::accounts::{Holder, NewAccount};
use store::{Database, Settings, Store};

use crate::http::Connection;
use crate::measure::{median, quantile};
use crate::message::PRACTICE;
use crate::node::{Node, network_behind};
use crate::report::{Report, Wanted};

const HOSPITALS: [&str; 8] = [
    "RZZ01", "RZZ02", "RZZ03", "RZZ04", "RZZ05", "RZZ06", "RZZ07", "RZZ08",
];
/// What is added to all that a hospital says, its part of the handshake too.
const ADDED: Duration = Duration::from_millis(50);
const DEAD: usize = 2;
const ASKED: usize = 100;
const ASKED_WITH_DEAD: usize = 20;
const MS_MAX: f64 = 300.0;
const MS_MAX_WITH_DEAD: f64 = 2200.0;
/// Until all pointers have come.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Of each of the hospitals.
const OBSERVATIONS: usize = 30;
const PATH: &str = "/fhir/Patient/amina/$shared-record";
const TOKEN: &str = "bench-token-of-a-clinician-0001";

/// Measures with all eight there, then with two that hang.
pub fn measure(report: &mut Report) -> Result<()> {
    let mut members = vec![(PRACTICE, "gp-practice")];
    members.extend(HOSPITALS.map(|ods| (ods, "hospital")));
    let nodes = network_behind(&members, "before-answer", ADDED)?;
    let Some((practice, hospitals)) = nodes.split_first() else {
        anyhow::bail!("nodes were asked for")
    };
    open_account(practice)?;
    put(practice, "/fhir/Patient/amina", &patient())?;
    for hospital in hospitals {
        put(hospital, "/fhir/Patient/amina", &patient())?;
        put(
            hospital,
            "/fhir/AllergyIntolerance/a",
            &about("AllergyIntolerance", 0),
        )?;
        for number in 0..OBSERVATIONS {
            let path = format!("/fhir/Observation/o{number}");
            put(hospital, &path, &about("Observation", number))?;
        }
    }
    let began = Instant::now();
    while told(practice, "answered;")? < HOSPITALS.len() {
        ensure!(began.elapsed() < WAIT_MAX, "not all pointers have come");
        std::thread::sleep(Duration::from_millis(200));
    }
    let millis = times(practice, ASKED, HOSPITALS.len())?;
    let what = "shared record over 8 nodes, 50 ms added to each answer";
    report.figure(
        &format!("{what}, the middle"),
        "ms",
        median(&millis),
        Wanted::Nothing,
    );
    let slow = quantile(&millis, 0.95);
    report.figure(
        &format!("{what}, 95 in 100"),
        "ms",
        slow,
        Wanted::Below(MS_MAX),
    );
    let (dead, _) = hospitals.split_at(DEAD);
    for node in dead {
        node.halt()?;
    }
    let millis = times(practice, ASKED_WITH_DEAD, HOSPITALS.len() - DEAD);
    for node in dead {
        node.go_on()?;
    }
    report.figure(
        "the same, two of the 8 dead, 95 in 100",
        "ms",
        quantile(&millis?, 0.95),
        Wanted::Below(MS_MAX_WITH_DEAD),
    );
    Ok(())
}

/// How long each took, while so many answer.
fn times(practice: &Node, asked: usize, answering: usize) -> Result<Vec<f64>> {
    let mut connection = Connection::open(practice.pages)?;
    let mut millis = Vec::with_capacity(asked);
    for _ in 0..asked {
        let began = Instant::now();
        let (status, body) = connection.send("GET", PATH, Some(TOKEN), &[])?;
        millis.push(began.elapsed().as_secs_f64() * 1000.0);
        ensure!(
            status == 200,
            "{status}: {}",
            String::from_utf8_lossy(&body)
        );
        let there = named(&body, "answered;")?;
        ensure!(there == answering, "{there} of {answering} answered");
    }
    Ok(millis)
}

/// Of how many that is told which were asked.
fn told(practice: &Node, words: &str) -> Result<usize> {
    let mut connection = Connection::open(practice.pages)?;
    let (status, body) = connection.send("GET", PATH, Some(TOKEN), &[])?;
    ensure!(
        status == 200,
        "{status}: {}",
        String::from_utf8_lossy(&body)
    );
    named(&body, words)
}

fn named(body: &[u8], words: &str) -> Result<usize> {
    let bundle: Value = serde_json::from_slice(body)?;
    let entries = bundle.pointer("/entry").and_then(Value::as_array);
    let entries = entries.into_iter().flatten();
    let issues = entries.filter_map(|it| it.pointer("/resource/issue")?.as_array());
    let texts = issues
        .flatten()
        .filter_map(|it| it.pointer("/diagnostics")?.as_str());
    Ok(texts.filter(|text| text.contains(words)).count())
}

/// A clinician at the practice, who has a token: nobody is asked but in a person's name.
fn open_account(practice: &Node) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let problem = |problem: fhir::Problem| anyhow::anyhow!("{problem}");
        let ods = Ods::parse(PRACTICE).map_err(problem)?;
        let settings = Settings::new(Database::Sqlite(practice.store()), ods.clone());
        let store = Store::open(settings).await.map_err(problem)?;
        let holder = Holder::Staff {
            role: Role::Clinician,
            organisation: ods,
        };
        let account = NewAccount {
            login: "bench".into(),
            name: "Dr Bea Bench".into(),
            holder,
            password_hash: None,
        };
        let account = store.open_account(account).await.map_err(problem)?;
        let digest = Sha256::digest(TOKEN.as_bytes()).into();
        let added = store.add_token(digest, account, "bench").await;
        added.map_err(problem)?;
        store.close().await;
        anyhow::Ok(())
    })
}

fn put(node: &Node, path: &str, resource: &Value) -> Result<()> {
    let mut connection = Connection::open(node.pages)?;
    let token = Some(node.token.as_str());
    let body = resource.to_string();
    let (status, body) = connection.send("PUT", path, token, body.as_bytes())?;
    ensure!(
        status < 300,
        "{path}: {status} {}",
        String::from_utf8_lossy(&body)
    );
    Ok(())
}

fn patient() -> Value {
    json!({
        "resourceType": "Patient",
        "id": "amina",
        "name": [{ "family": "Tester", "given": ["Amina"] }],
        "birthDate": "1951-03-04",
        "identifier": [{ "system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018" }],
        "generalPractitioner": [{ "identifier": {
            "system": "https://fhir.nhs.uk/Id/ods-organization-code",
            "value": PRACTICE,
        } }],
    })
}

fn about(ty: &str, number: usize) -> Value {
    let patient = json!({ "reference": "Patient/amina" });
    match ty {
        "AllergyIntolerance" => json!({
            "resourceType": ty,
            "id": "a",
            "clinicalStatus": { "coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical",
                "code": "active",
            }] },
            "code": { "text": "Penicillin" },
            "patient": patient,
        }),
        _ => json!({
            "resourceType": ty,
            "id": format!("o{number}"),
            "status": "final",
            "code": { "text": "Potassium" },
            "subject": patient,
            "valueQuantity": { "value": 4.1, "unit": "mmol/L" },
        }),
    }
}
