//! The patient's practice is told of a visit in the commit that puts it into the record.

use std::sync::Arc;

use access::{Scope, SystemPurpose};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use exchange::Settings;
use serde_json::{Value, json};
use store::parcels::{Letter, ListFilter, Show, State};
use store::{Release, Store};

use super::super::task::bare;
use super::{Pack, brings, hidden, planned, planned_with, staff, stored, taken, written};
use crate::Node;
use crate::testing::Browser;
use crate::testing::beside::{Beside, HOSPITAL, PRACTICE, beside_a_hospital};
use crate::testing::letters::put;

const LETTER: &str = "A letter to the patient’s practice, Northern General (RZZ01).";

/// Jane as the record here has her, with a practice or without one.
async fn jane(node: &Node, practice: Option<&str>) {
    jane_with(node, practice, Value::Null).await;
}

async fn jane_with(node: &Node, practice: Option<&str>, meta: Value) {
    let mut jane = json!({
        "resourceType": "Patient", "birthDate": "1961-02-03",
        "name": [{ "family": "Example", "given": ["Jane"] }],
        "identifier": [{ "system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9434765919" }],
    });
    if !meta.is_null() {
        jane["meta"] = meta;
    }
    if let Some(ods) = practice {
        let system = "https://fhir.nhs.uk/Id/ods-organization-code";
        jane["generalPractitioner"] = json!([{ "identifier": { "system": system, "value": ods } }]);
    }
    put(&node.store, "jane", &jane.to_string(), Release::Keep).await;
}

async fn letters(store: &Store, show: Show) -> Vec<Letter> {
    let scope = Scope::system(SystemPurpose::Measure);
    let page = store.letters(&scope, &ListFilter::new(show)).await;
    page.unwrap().letters
}

/// A visit to Jane, taken along by bo.
async fn out(node: &Arc<Node>) -> (Browser, Browser, String, Pack) {
    let mut ann = staff(node, "ann").await;
    let visit = planned(node, &mut ann).await;
    let mut bo = staff(node, "bo").await;
    let pack = taken(&mut bo).await;
    (ann, bo, visit, pack)
}

/// Until the hospital's receipt is here.
async fn carried(node: &Node, beside: &Beside) -> State {
    for _ in 0..10 {
        beside.carry().await;
        let sent = letters(&node.store, Show::AllOut).await;
        if sent.iter().all(|it| it.state == State::Delivered) {
            return State::Delivered;
        }
        beside.clock.advance(70_000);
    }
    State::Waiting
}

#[test]
fn a_visit_that_comes_back_is_a_letter_to_the_practice_once_however_often_it_is_sent() {
    beside_a_hospital(Settings::default(), async |node, beside| {
        let node = Arc::new(node);
        jane(&node, Some(HOSPITAL)).await;
        let (_, mut bo, visit, pack) = out(&node).await;
        let entry = written(&node, (1, &visit), "Canary-note");
        let file = pack.saves(std::slice::from_ref(&entry));
        let answer = brings(&mut bo, &file).await;
        for words in ["1 put into the record", LETTER, "Entries: 1."] {
            assert!(answer.text.contains(words), "{words}: {}", answer.text);
        }
        // Whose answer was lost reads the same when it is sent again.
        let answer = brings(&mut bo, &file).await;
        for words in ["1 were here before", LETTER, "Entries: 1."] {
            assert!(answer.text.contains(words), "{words}: {}", answer.text);
        }
        let sent = letters(&node.store, Show::AllOut).await;
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].title, "Visit by the community nurse");
        assert_eq!(sent[0].author, "Dr Bo Test");
        let page = bo.get(&format!("/staff/visits/{visit}")).await;
        assert!(page.text.contains(LETTER), "{}", page.text);

        let id = entry["id"].as_str().unwrap();
        let binary = exchange::Letter::parcel_id(&["visit", id, "binary"]);
        let binary = stored(&node, "Binary", &binary).await.unwrap();
        let text = STANDARD.decode(binary["data"].as_str().unwrap()).unwrap();
        let text = String::from_utf8(text).unwrap();
        for words in [
            "To: The RZZ01 (RZZ01)",
            "NHS number: 9434765919",
            "Canary-dressing",
            "Outcome\n-------\nDone.",
            "Heart rate: 72 a minute",
            "Canary-note",
            "Written on the visit by: Dr Bo Test",
            "No next visit was written.",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(!text.contains("Canary-key-safe"), "{text}");
        assert_eq!(carried(&node, beside).await, State::Delivered);
        let came = letters(beside.hospital.store(), Show::AllIn).await;
        assert_eq!(came.len(), 1);
        assert!(!came[0].unmatched);
    });
}

#[test]
fn what_is_held_is_told_to_nobody_until_a_person_puts_it_into_the_record() {
    beside_a_hospital(Settings::default(), async |node, _| {
        let node = Arc::new(node);
        jane(&node, Some(HOSPITAL)).await;
        let (mut ann, mut bo, visit, pack) = out(&node).await;
        let laptop = taken(&mut bo).await;
        let entries = [1, 2, 3].map(|number| written(&node, (number, &visit), "Canary-note"));
        let [first, second, third] = entries;
        brings(&mut bo, &pack.saves(&[first])).await;
        let answer = brings(&mut bo, &laptop.saves(&[second.clone(), third.clone()])).await;
        assert!(answer.text.contains("2 wait"), "{}", answer.text);
        assert!(!answer.text.contains("A letter to"), "{}", answer.text);
        assert_eq!(letters(&node.store, Show::AllOut).await.len(), 1);
        for (entry, then, sent) in [(&second, "put-in", 2), (&third, "keep-out", 2)] {
            let address = format!("/staff/visits/entry/{}", entry["id"].as_str().unwrap());
            let page = ann.get(&address).await;
            let version = hidden(&page.text, "version").to_owned();
            let fields = [
                ("version", version.as_str()),
                ("then", then),
                ("why", "Both went there"),
            ];
            let answer = ann.post(&format!("{address}/decide"), &fields).await;
            assert!(answer.location().contains("done="), "{}", answer.text);
            assert!(!answer.location().contains("moved"), "{then}");
            assert_eq!(letters(&node.store, Show::AllOut).await.len(), sent);
            // The first one's letter, which stands beside, and the second one's.
            let page = ann.get(&address).await;
            assert_eq!(page.text.matches(LETTER).count(), 2, "{}", page.text);
        }
    });
}

#[test]
fn nobody_is_told_by_the_practice_itself_nor_where_none_is_known_nor_of_what_is_labelled() {
    beside_a_hospital(Settings::default(), async |node, _| {
        let node = Arc::new(node);
        let cases = [
            (Some(PRACTICE), false, ""),
            (None, false, "is not known here, so nobody was told."),
            (Some(HOSPITAL), true, "The visit carries a label"),
        ];
        for (number, (practice, labelled, said)) in (1..).zip(cases) {
            jane(&node, practice).await;
            let mut ann = staff(&node, "ann").await;
            let visit = planned(&node, &mut ann).await;
            if labelled {
                let mut task = bare(stored(&node, "Task", &visit).await.unwrap());
                task["meta"]["security"] = json!([{
                    "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R",
                }]);
                put(&node.store, &visit, &task.to_string(), Release::Keep).await;
            }
            let mut bo = staff(&node, "bo").await;
            let pack = taken(&mut bo).await;
            let entry = written(&node, (number, &visit), "Canary-note");
            let answer = brings(&mut bo, &pack.saves(&[entry])).await;
            let text = &answer.text;
            assert!(text.contains("1 put into the record"), "{text}");
            assert!(text.contains(said), "{said}: {text}");
            assert!(!text.contains("A letter to"), "{text}");
            assert_eq!(text.contains("Entries:"), !said.is_empty(), "{text}");
        }
        assert!(letters(&node.store, Show::AllOut).await.is_empty());
    });
}

#[test]
fn which_practice_it_is_is_not_shown_of_a_restricted_patient_and_it_is_told_all_the_same() {
    beside_a_hospital(Settings::default(), async |node, _| {
        let node = Arc::new(node);
        let meta = json!({ "security": [{
            "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R",
        }] });
        jane_with(&node, Some(HOSPITAL), meta).await;
        let mut ann = staff(&node, "ann").await;
        let visit = planned_with(&node, &mut ann, "").await;
        let mut bo = staff(&node, "bo").await;
        let pack = taken(&mut bo).await;
        let entry = written(&node, (1, &visit), "Canary-note");
        let id = entry["id"].as_str().unwrap().to_owned();
        let answer = brings(&mut bo, &pack.saves(&[entry])).await;
        let page = bo.get(&format!("/staff/visits/{visit}")).await;
        for text in [&answer.text, &page.text] {
            assert!(text.contains("Which one it is, is restricted."), "{text}");
            assert!(!text.contains("Northern General"), "{text}");
        }
        assert_eq!(letters(&node.store, Show::AllOut).await.len(), 1);
        // Nor does the letter that is kept here say it to whoever reads the record.
        let binary = exchange::Letter::parcel_id(&["visit", &id, "binary"]);
        let binary = stored(&node, "Binary", &binary).await.unwrap();
        let text = STANDARD.decode(binary["data"].as_str().unwrap()).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("To: Their practice\n"), "{text}");
        assert!(!text.contains(HOSPITAL), "{text}");
    });
}
