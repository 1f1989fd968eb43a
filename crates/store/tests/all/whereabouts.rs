//! Where a restricted patient lives is in nothing that the store answers (P13), however late they
//! become one (P14).

use std::time::Duration;

use access::{Interaction, Opening, OpeningKind, Scope, Standing};
use fhir::search::{ALL_TYPES, Limits, Search};
use serde_json::{Value, json};
use store::sharing::{SharingWrite, Statement};
use store::testing::{START, on_each_database};
use store::whereabouts::WhereaboutsWrite;
use store::{Effect, Expect, Job, Reading, Release, Store};

use crate::people::{commit, delete, put, put_as, staff, staff_with, system};

/// Each word that tells where the patient is, in lower case.
const CANARIES: [&str; 8] = [
    "larkspur", "wetherby", "ls22", "6rn", "5550133", "555 0133", "a81999", "clinic-9",
];

fn patient(security: &Value) -> String {
    json!({
        "resourceType": "Patient",
        "meta": { "security": security },
        "identifier": [{ "system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9434765919" }],
        "name": [{ "family": "Hill" }],
        "birthDate": "1980-02-03",
        "address": [{ "line": ["17 Larkspur Row"], "city": "Wetherby", "postalCode": "LS22 6RN" }],
        "telecom": [{ "system": "phone", "value": "01937 555 0133" }],
        "generalPractitioner": [{ "identifier": {
            "system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "A81999",
        } }],
    })
    .to_string()
}

fn flag() -> Value {
    json!([{ "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R" }])
}

const ENCOUNTER: &str = r#"{"resourceType":"Encounter","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/p"},"location":[{"location":{"reference":"Location/clinic-9","display":"Larkspur clinic"}}],"serviceProvider":{"reference":"Organization/clinic-9"}}"#;
const NOTE: &str = r#"{"resourceType":"Observation","status":"final","code":{"text":"Visit"},"subject":{"reference":"Patient/p"},"valueString":"Seen at home, 17 Larkspur Row, LS226RN. Potassium 4.1"}"#;
/// "Dear Ms Hill, 17 Larkspur Row, Wetherby"
const LETTER: &str = r#"{"resourceType":"Binary","contentType":"text/plain","securityContext":{"reference":"Patient/p"},"data":"RGVhciBNcyBIaWxsLCAxNyBMYXJrc3B1ciBSb3csIFdldGhlcmJ5"}"#;

/// All that the store answers about the patient, in lower case, with what letters say.
async fn answers(store: &Store) -> String {
    let mut out = String::new();
    let mut add = |body: &[u8]| {
        let text = String::from_utf8_lossy(body).to_lowercase();
        let json: Value = serde_json::from_slice(body).unwrap();
        if let Some(data) = json["data"].as_str() {
            use base64::Engine as _;
            let letter = base64::engine::general_purpose::STANDARD.decode(data);
            out.push_str(&String::from_utf8_lossy(&letter.unwrap()).to_lowercase());
        }
        out.push_str(&text);
        out.push('\n');
    };
    let everything = Search::all(ALL_TYPES, 100).within_patient("p");
    for scope in [staff("A81001", Interaction::Everything), system()] {
        for version in store.search(&scope, &everything).await.unwrap().entries {
            add(&version.body);
        }
        for (ty, id) in [
            ("Patient", "p"),
            ("Encounter", "e"),
            ("Observation", "o"),
            ("Observation", "gone"),
            ("Binary", "b"),
        ] {
            if let Reading::Found(version) = store.read(&scope, ty, id).await.unwrap() {
                add(&version.body);
            }
            for number in 1..=9 {
                let past = store.vread(&scope, ty, id, number).await.unwrap();
                if let Reading::Found(version) = past {
                    add(&version.body);
                }
            }
        }
    }
    out
}

async fn finds(store: &Store, query: &str) -> usize {
    let scope = staff("A81001", Interaction::Search);
    let (name, value) = query.split_once('=').unwrap();
    let pairs = [(name.to_string(), value.to_string())];
    let search = Search::parse("Patient", &pairs, "", &Limits::default()).unwrap();
    let page = store.search(&scope, &search).await.unwrap();
    page.entries.len()
}

fn assert_silent(text: &str) {
    for canary in CANARIES {
        assert!(!text.contains(canary), "{canary} is in {text}");
    }
    for kept in ["9434765919", "hill", "potassium 4.1", "dear ms hill"] {
        assert!(text.contains(kept), "{kept} is not in {text}");
    }
}

async fn swept(store: &Store) {
    for _ in 0..600 {
        let all = store.restricted(&system()).await.unwrap();
        if all.iter().all(|it| it.is_done) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the worker did not come to an end");
}

async fn record(store: &Store) {
    let rest = vec![put(ENCOUNTER, "e"), put(NOTE, "o"), put(LETTER, "b")];
    commit(store, rest).await.unwrap();
}

#[test]
fn p13_where_a_restricted_patient_lives_is_in_no_answer_and_in_no_index() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        commit(&store, vec![put(&patient(&flag()), "p")])
            .await
            .unwrap();
        record(&store).await;
        assert_silent(&answers(&store).await);
        for query in [
            "address-city=Wetherby",
            "address=Larkspur",
            "phone=01937 555 0133",
        ] {
            assert_eq!(finds(&store, query).await, 0, "{query}");
        }
        assert_eq!(finds(&store, "family=Hill").await, 1);
        let check = store.check_audit(Vec::new()).await.unwrap();
        assert_eq!(check.findings, []);
        store.close().await;
    });
}

#[test]
fn p14_who_becomes_restricted_is_so_in_every_version_and_again_open_after() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        commit(&store, vec![put(&patient(&json!([])), "p")])
            .await
            .unwrap();
        record(&store).await;
        commit(&store, vec![put(&NOTE.replace("4.1", "4.1 again"), "o")])
            .await
            .unwrap();
        // What is deleted is told by its history all the same.
        commit(&store, vec![put(NOTE, "gone")]).await.unwrap();
        let gone = delete("Observation", "gone", Expect::Exists);
        commit(&store, vec![gone]).await.unwrap();
        let before = answers(&store).await;
        assert!(before.contains("larkspur"));
        assert_eq!(finds(&store, "address-city=Wetherby").await, 1);
        commit(&store, vec![put(&patient(&flag()), "p")])
            .await
            .unwrap();
        swept(&store).await;
        assert_silent(&answers(&store).await);
        assert_eq!(finds(&store, "address-city=Wetherby").await, 0);
        let check = store.check_audit(Vec::new()).await.unwrap();
        assert_eq!(check.findings, [], "what was taken out is told in the log");
        // A feed that knows nothing of flags does not lift it; a decision does.
        commit(&store, vec![put(&patient(&json!([])), "p")])
            .await
            .unwrap();
        swept(&store).await;
        assert_silent(&answers(&store).await);
        let lift = Job::change(put_as(
            &patient(&json!([])),
            "p",
            Expect::Exists,
            Release::Keep,
        ));
        store
            .commit(&staff("A81001", Interaction::RemoveLabel), lift)
            .await
            .unwrap();
        swept(&store).await;
        let after = answers(&store).await;
        for told in ["17 larkspur row", "clinic-9", "dear ms hill, 17 larkspur"] {
            assert!(after.contains(told), "{told}");
        }
        assert!(store.restricted(&system()).await.unwrap().is_empty());
        assert_eq!(finds(&store, "address-city=Wetherby").await, 1);
        let check = store.check_audit(Vec::new()).await.unwrap();
        assert_eq!(check.findings, []);
        store.close().await;
    });
}

#[test]
fn p14_a_sweep_that_is_out_of_date_does_not_end_a_newer_one() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let open = put(&patient(&json!([])), "p");
        commit(&store, vec![open]).await.unwrap();
        record(&store).await;
        // As if the last step of an earlier sweep came in just after the flag.
        let stale = WhereaboutsWrite::Swept {
            patient: "p".into(),
            from: 77,
            upto: None,
        };
        let mut job = Job::change(put(&patient(&flag()), "p"));
        job.effects.push(Effect::Whereabouts(stale));
        store.commit(&system(), job).await.unwrap();
        swept(&store).await;
        assert_silent(&answers(&store).await);
        store.close().await;
    });
}

#[test]
fn p14_what_the_home_practice_tells_counts_here() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        commit(&store, vec![put(&patient(&json!([])), "p")])
            .await
            .unwrap();
        record(&store).await;
        for (version, restricted) in [(1, true), (2, false)] {
            let statement = Statement {
                home: "A81999".into(),
                nhs_number: "9434765919".into(),
                birth_date: "1980-02-03".into(),
                family: "Hill".into(),
                version,
                rules: Vec::new(),
                restricted,
                jws: "signed".into(),
                audience: Vec::new(),
                parcel: String::new(),
                left: Vec::new(),
            };
            let hold = SharingWrite::Hold {
                statement: Box::new(statement),
                patients: vec!["p".into()],
            };
            let job = Job::effect(Effect::Sharing(hold));
            store.commit(&system(), job).await.unwrap();
            swept(&store).await;
            let text = answers(&store).await;
            if restricted {
                assert_silent(&text);
            } else {
                assert!(text.contains("17 larkspur row"));
            }
        }
        store.close().await;
    });
}

fn visitor(opened: &[&str]) -> Scope {
    let opening = |patient: &&str| Opening {
        kind: OpeningKind::Whereabouts,
        patient: (*patient).into(),
        ends_at: START + 1000,
    };
    let standing = Standing {
        openings: opened.iter().map(opening).collect(),
        ..Standing::default()
    };
    staff_with(&standing, Interaction::Read, START)
}

async fn read(store: &Store, scope: &Scope, ty: &str, id: &str) -> String {
    let Reading::Found(version) = store.read(scope, ty, id).await.unwrap() else {
        panic!("{ty}/{id} is here");
    };
    String::from_utf8_lossy(&version.body).into_owned()
}

#[test]
fn p13_only_who_was_told_by_a_release_reads_where_the_patient_lives() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        commit(&store, vec![put(&patient(&flag()), "p")])
            .await
            .unwrap();
        record(&store).await;
        // Each twice: from the rows, and from memory.
        for closed in [visitor(&[]), visitor(&["another"]), system(), visitor(&[])] {
            assert!(
                !read(&store, &closed, "Patient", "p")
                    .await
                    .contains("Larkspur")
            );
        }
        for _ in 0..2 {
            let open = visitor(&["p"]);
            assert!(
                read(&store, &open, "Patient", "p")
                    .await
                    .contains("17 Larkspur Row")
            );
            assert!(
                read(&store, &open, "Observation", "o")
                    .await
                    .contains("LS226RN")
            );
        }
        // Somebody who writes back what they read takes nothing away.
        let read_one = read(&store, &visitor(&[]), "Patient", "p").await;
        let again = read_one.replace("1980-02-03", "1980-02-04");
        let job = Job::change(put_as(&again, "p", Expect::Exists, Release::Keep));
        store
            .commit(&staff("A81001", Interaction::Update), job)
            .await
            .unwrap();
        let body = read(&store, &visitor(&["p"]), "Patient", "p").await;
        assert!(
            body.contains("17 Larkspur Row") && body.contains("1980-02-04"),
            "{body}"
        );
        store.close().await;
    });
}
