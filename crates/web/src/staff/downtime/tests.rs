//! The pack for when everything is off, and what comes back on paper.

use std::sync::Arc;

use access::{Scope, SystemPurpose};
use http::StatusCode;
use serde_json::Value;
use store::testing::{Ground, on_each_database};
use store::{Reading, Release, Store};

use crate::Node;
use crate::carried::sheet;
use crate::downtime::{self, Downtime};
use crate::page::words;
use crate::testing::letters::{self, put};
use crate::testing::{Browser, bare_node, record};

const PASSPHRASE: &str = "four words do not belong";

/// A node that writes packs into a folder.
async fn node(ground: &Ground) -> (tempfile::TempDir, Arc<Node>) {
    let folder = tempfile::tempdir().unwrap();
    let mut node = bare_node(ground).await;
    node.downtime = Some(Downtime::new(
        folder.path().to_owned(),
        PASSPHRASE.into(),
        (5, 168),
    ));
    (folder, Arc::new(node))
}

async fn staff(node: &Arc<Node>, login: &str) -> Browser {
    let mut browser = Browser::new(node);
    browser.sign_in("/staff/login", login).await;
    browser
}

/// What is here today: an appointment of Jane's, a stay of Una's, who is restricted, and nothing of Eve's.
async fn today(store: &Store) {
    letters::patient(store).await;
    record(store, ["Eve Elsewhere", "eve", "9434765870", "1970-01-01"]).await;
    let una = r#"{"resourceType":"Patient","name":[{"family":"Canaryuna","given":["Una"]}],"birthDate":"1950-05-06",
        "identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9434765862"}],
        "address":[{"line":["1 Canary-street"],"postalCode":"CA1 1AA"}],
        "meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"}]}}"#;
    let day = words::there(store.now()).unwrap().date();
    let appointment = format!(
        r#"{{"resourceType":"Appointment","status":"booked","description":"Blood test","start":"{day}T09:30:00Z",
        "end":"{day}T09:40:00Z","participant":[{{"status":"accepted","actor":{{"reference":"Patient/jane"}}}}]}}"#
    );
    for (id, text) in [
        ("una", una),
        ("app", appointment.as_str()),
        (
            "stay",
            r#"{"resourceType":"Encounter","status":"in-progress","class":{"code":"IMP"},
            "subject":{"reference":"Patient/una"},"period":{"start":"2026-01-02T10:00:00Z"}}"#,
        ),
        (
            "allergy",
            r#"{"resourceType":"AllergyIntolerance","code":{"text":"Canary-penicillin"},"patient":{"reference":"Patient/jane"}}"#,
        ),
        (
            "labelled",
            r#"{"resourceType":"Condition","code":{"text":"Canary-labelled"},"subject":{"reference":"Patient/jane"},
            "meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"PSY"}]}}"#,
        ),
    ] {
        put(store, id, text, Release::Keep).await;
    }
}

async fn stored(node: &Node, ty: &str, id: &str) -> Option<Value> {
    let scope = Scope::system(SystemPurpose::Measure);
    match node.store.read(&scope, ty, id).await.unwrap() {
        Reading::Found(version) => Some(crate::record::json(&version).unwrap()),
        _ => None,
    }
}

async fn made(node: &Arc<Node>) -> (String, String) {
    let settings = node.downtime.as_ref().unwrap();
    let made = downtime::make(node, settings, "a test").await.unwrap();
    let file = std::fs::read_to_string(&made.file).unwrap();
    let (facts, html) = sheet::open(&file, PASSPHRASE).unwrap();
    assert_eq!(facts.kind, "downtime");
    (file, html)
}

#[test]
fn a_pack_holds_who_is_here_today_and_no_word_of_it_is_readable_in_the_file() {
    on_each_database(async |ground| {
        let (_folder, node) = node(ground).await;
        today(&node.store).await;
        let (file, html) = made(&node).await;
        for word in [
            "EXAMPLE, Jane",
            "Blood test",
            "Canary-penicillin",
            "CANARYUNA, Una",
            "Inpatient since",
            "Withheld: where this patient lives is restricted",
            "carries a label and is not taken along",
            "does not mean that there are no allergies",
        ] {
            assert!(html.contains(word), "{word}: {html}");
        }
        for word in ["Canary-street", "CA1 1AA", "Canary-labelled", "Elsewhere"] {
            assert!(!html.contains(word), "{word} is in the pack");
        }
        for word in [
            "EXAMPLE",
            "EXAMPLE, Jane",
            "Canary",
            "CANARY",
            "9434765919",
            "943 476",
        ] {
            assert!(!file.contains(word), "{word} is readable");
        }
        assert!(sheet::open(&file, "another passphrase").is_err());
        let settings = node.downtime.as_ref().unwrap();
        let pdf = std::fs::read(settings.file("A81001").with_extension("pdf")).unwrap();
        let pdf = String::from_utf8_lossy(&pdf);
        assert!(pdf.starts_with("%PDF-2.0") && pdf.contains("/R 6"));
        for word in ["EXAMPLE", "Jane", "Canary", "CANARY", "9434765919"] {
            assert!(!pdf.contains(word), "{word} is readable");
        }
    });
}

#[test]
fn a_pack_that_is_old_or_cannot_be_written_stands_on_the_work_list() {
    on_each_database(async |ground| {
        let (folder, node) = node(ground).await;
        letters::patient(&node.store).await;
        let mut ann = staff(&node, "ann").await;
        let page = ann.get("/staff/worklist").await;
        assert!(page.text.contains("No downtime pack has been written yet"));
        made(&node).await;
        let page = ann.get("/staff/worklist").await;
        assert!(
            page.text.contains("The downtime pack is up to date"),
            "{}",
            page.text
        );
        let settings = node.downtime.as_ref().unwrap();
        let last = node
            .store
            .last_downtime_pack(&Scope::system(SystemPurpose::Measure))
            .await;
        let at = last.unwrap().unwrap().made_at;
        assert!(!settings.is_overdue(at, at + 15 * 60_000));
        assert!(settings.is_overdue(at, at + 15 * 60_000 + 1));
        std::fs::remove_dir_all(folder.path()).unwrap();
        let problem = downtime::make(&node, settings, "a test").await.unwrap_err();
        *settings.failed.lock() = Some(problem.message.to_string());
        let page = ann.get("/staff/worklist").await;
        assert!(page.text.contains("could not be written"), "{}", page.text);
    });
}

#[test]
fn what_was_written_on_paper_is_entered_once_for_the_patient_of_form_and_two_identifiers() {
    on_each_database(async |ground| {
        let (_folder, node) = node(ground).await;
        today(&node.store).await;
        let (_, html) = made(&node).await;
        let (_, rest) = html.split_once("EXAMPLE, Jane</h2>").unwrap();
        let (_, rest) = rest.split_once("Bar code ").unwrap();
        let code = rest.split_once('"').unwrap().0;
        let mut ann = staff(&node, "ann").await;
        let form = ann.get(&format!("/staff/downtime/paper?code={code}")).await;
        assert!(form.text.contains(code), "{}", form.text);
        let (_, rest) = form.text.split_once("name=\"attempt\" value=\"").unwrap();
        let attempt = rest.split_once('"').unwrap().0.to_owned();
        let there = words::there(node.store.now() - 3_600_000).unwrap();
        let (day, time) = (
            there.date().to_string(),
            there.strftime("%H:%M").to_string(),
        );
        let fields = |number: &'static str, born: &'static str, code: &str| {
            [
                ("attempt", attempt.clone()),
                ("code", code.to_owned()),
                ("nhs_number", number.to_owned()),
                ("born", born.to_owned()),
                ("day", day.clone()),
                ("time", time.clone()),
                ("behalf", "Nura Nurse".to_owned()),
                ("pulse", "72".to_owned()),
                ("medicine", "Paracetamol".to_owned()),
                ("dose", "1 g by mouth".to_owned()),
                ("note", "Slept well".to_owned()),
            ]
        };
        let send = async |ann: &mut Browser, fields: &[(&str, String)]| {
            let fields: Vec<(&str, &str)> = fields
                .iter()
                .map(|(name, text)| (*name, text.as_str()))
                .collect();
            ann.post("/staff/downtime/paper", &fields).await
        };
        for (number, born, with, said) in [
            ("9434765862", "1950-05-06", code, "another patient"),
            ("9434765919", "1961-02-04", code, "another patient"),
            (
                "9434765919",
                "1961-02-03",
                "HO-NOTHING",
                "No form with this code",
            ),
            (
                "9434765919",
                "1961-02-04",
                "",
                "Nobody here has this number",
            ),
            ("123", "1961-02-03", code, "Enter the NHS number"),
        ] {
            let answer = send(&mut ann, &fields(number, born, with)).await;
            assert_eq!(
                answer.status,
                StatusCode::UNPROCESSABLE_ENTITY,
                "{said}: {}",
                answer.text
            );
            assert!(answer.text.contains(said), "{said}: {}", answer.text);
        }
        let provenance = stored(&node, "Provenance", &attempt).await;
        assert!(provenance.is_none());
        for _ in 0..2 {
            let answer = send(&mut ann, &fields("9434765919", "1961-02-03", code)).await;
            assert_eq!(
                answer.location(),
                "/staff/downtime?done=entered",
                "{}",
                answer.text
            );
        }
        let provenance = stored(&node, "Provenance", &attempt).await.unwrap();
        assert_eq!(provenance["agent"][0]["who"]["display"], "Nura Nurse");
        assert_eq!(provenance["agent"][1]["who"]["display"], "Ann Secretary");
        assert_eq!(
            provenance["agent"][1]["onBehalfOf"]["display"],
            "Nura Nurse"
        );
        assert_eq!(provenance["target"].as_array().unwrap().len(), 4);
        let pulse = stored(&node, "Observation", &format!("{attempt}-pulse"))
            .await
            .unwrap();
        assert_eq!(pulse["meta"]["tag"][0]["code"], "paper");
        assert_eq!(pulse["subject"]["reference"], "Patient/jane");
        assert_eq!(pulse["effectiveDateTime"], provenance["occurredDateTime"]);
        assert!(
            stored(
                &node,
                "MedicationAdministration",
                &format!("{attempt}-given")
            )
            .await
            .is_some()
        );
    });
}

#[test]
fn what_became_of_a_pack_is_written_down_and_logged() {
    on_each_database(async |ground| {
        let (_folder, node) = node(ground).await;
        let mut ann = staff(&node, "ann").await;
        ann.get("/staff/downtime").await;
        let event = "/staff/downtime/event";
        let wrong = ann.post(event, &[("kind", "burnt"), ("pack", "x")]).await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
        let fields = [
            ("kind", "printed"),
            ("pack", "29 Nov 10:05"),
            ("note", "Two copies"),
        ];
        assert_eq!(
            ann.post(event, &fields).await.location(),
            "/staff/downtime?done=recorded"
        );
        let page = ann.get("/staff/downtime").await;
        for word in ["Printed", "29 Nov 10:05", "Two copies", "Ann Secretary"] {
            assert!(page.text.contains(word), "{word}: {}", page.text);
        }
    });
}

#[test]
fn downtime_is_linked_from_each_page_of_who_may_see_to_it_and_from_no_other() {
    on_each_database(async |ground| {
        let node = crate::testing::node(ground).await;
        let link = "&#x2f;staff&#x2f;downtime";
        let plain = "\"/staff/downtime\"";
        let has = |text: &str| text.contains(plain) || text.contains(link);
        for (login, pages, may) in [
            ("ann", ["/staff/inbox", "/staff/worklist"], true),
            ("bo", ["/staff/inbox", "/staff/neighbours"], true),
            ("ed", ["/staff/worklist", "/staff/neighbours"], false),
            ("olu", ["/staff/privacy", "/staff/access-queries"], false),
        ] {
            let mut browser = crate::testing::Browser::new(&node);
            browser.sign_in("/staff/login", login).await;
            for page in pages {
                let shown = browser.get(page).await;
                assert_eq!(has(&shown.text), may, "{login} {page}: {}", shown.text);
            }
            let door = browser.get("/staff/downtime").await;
            assert_eq!(door.status.is_success(), may, "{login}");
        }
    });
}
