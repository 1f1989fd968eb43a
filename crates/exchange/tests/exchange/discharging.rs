//! A discharge goes from the hospital to the practice and the pharmacy in one act, to each what it needs.

use access::{Interaction, Role, Scope, SystemPurpose};
use exchange::discharge::{Discharge, Fate, Hidden, KIND, Medicine, Signing};
use serde_json::{Value, json};
use store::drafts::{DraftWrite, NewDraft};
use store::parcels::{ListFilter, Show};
use store::{Effect, Job};

use crate::network::{HOSPITAL, Network, PHARMACY, PRACTICE, UNA, on_each_database};

fn scope() -> Scope {
    Scope::system(SystemPurpose::Measure)
}

/// A clerk looks at the board.
fn board_scope(network: &Network) -> Scope {
    network.staff(HOSPITAL, "ann", Role::Clerk, Interaction::Sent)
}

fn written() -> Discharge {
    let medicine = |name: &str, fate, reason: &str| Medicine {
        name: name.into(),
        dose: "one a day".into(),
        fate,
        reason: reason.into(),
    };
    Discharge {
        admitted: "2026-01-02".into(),
        discharged: "2026-01-05".into(),
        diagnoses: "Canary-diagnosis".into(),
        course: "Canary-course".into(),
        allergies: "Canary-allergy".into(),
        medicines: vec![
            medicine("Canary-stopped", Fate::Stopped, "rash"),
            medicine("Canary-continued", Fate::Continued, ""),
        ],
        gp_actions: "Canary-action".into(),
        care_needs: "Canary-care".into(),
        contacts: "Canary-contact".into(),
        told: "Canary-told".into(),
        practice: "A81001".into(),
        pharmacy: "FZZ01".into(),
        // It has no node.
        social_care: "8AA01".into(),
        ..Discharge::default()
    }
}

fn una() -> Value {
    json!({
        "resourceType": "Patient", "id": "una-there", "birthDate": "1980-02-01",
        "identifier": [{ "system": "https://fhir.nhs.uk/Id/nhs-number", "value": UNA }],
        "name": [{ "family": "Ash", "given": ["Una"] }],
    })
}

/// The hospital knows Una, and somebody has begun a draft.
async fn begun(network: &Network) {
    for (at, id) in [(HOSPITAL, "una-there"), (PHARMACY, "una-p")] {
        network.register(at, id, UNA, "Ash", "1980-02-01").await;
    }
    let begin = DraftWrite::Begin(Box::new(NewDraft {
        id: "d1".into(),
        kind: KIND,
        patient: "una-there".into(),
        account: 7,
        author: "Dr Bo".into(),
        body: serde_json::to_string(&written()).unwrap(),
    }));
    let job = Job::effect(Effect::Draft(begin));
    let store = network.store(HOSPITAL);
    store.commit(&scope(), job).await.unwrap();
}

fn signed(network: &Network, version: i64) -> Job {
    let now = network.clock.now();
    let by = Signing {
        draft: "d1",
        version,
        patient: &una(),
        signer: "Dr Bo",
        from: "The hospital",
        hidden: Hidden::default(),
        release_at: now + 86_400_000,
        now,
    };
    let node = &network.nodes[HOSPITAL];
    node.sign_discharge(&written(), &by).unwrap()
}

/// All that one organisation holds of Una, and of parcels for it.
async fn held(network: &Network, at: usize, patient: &str) -> String {
    let store = network.store(at);
    let search = fhir::search::Search::all(fhir::search::ALL_TYPES, 100).within_patient(patient);
    let page = store.search(&scope(), &search).await.unwrap();
    let mut all = String::new();
    for version in &page.entries {
        let body: Value = serde_json::from_slice(&version.body).unwrap();
        all.push_str(&body.to_string());
        if let Some(data) = body["data"].as_str() {
            use base64::Engine as _;
            let bytes = base64::engine::general_purpose::STANDARD.decode(data);
            all.push_str(&String::from_utf8(bytes.unwrap()).unwrap());
        }
    }
    all
}

#[test]
fn a_discharge_reaches_each_reader_with_what_it_needs_and_waits_for_who_has_no_node() {
    on_each_database(async |network, _| {
        begun(network).await;
        let job = signed(network, 1);
        let store = network.store(HOSPITAL);
        store.commit(&scope(), job).await.unwrap();
        network.carry().await;
        let pharmacy = network.ods(PHARMACY);
        assert!(network.nodes[HOSPITAL].serve(&pharmacy).await);
        network.nodes[PHARMACY].take_in().await.unwrap();
        let practice = held(network, PRACTICE, "una").await;
        let pharmacy = held(network, PHARMACY, "una-p").await;
        for (canary, told_practice, told_pharmacy) in [
            ("Canary-diagnosis", true, false),
            ("Canary-course", true, false),
            ("Canary-allergy", true, true),
            ("Canary-stopped", true, true),
            ("Canary-continued", true, false),
            ("Canary-action", true, false),
            ("Canary-care", true, false),
            ("Canary-contact", true, false),
            ("Canary-told", true, false),
        ] {
            assert_eq!(practice.contains(canary), told_practice, "{canary}");
            assert_eq!(pharmacy.contains(canary), told_pharmacy, "{canary}");
        }
        // Who has no node is not forgotten: it stands on the work list, with the reason.
        network.nodes[HOSPITAL]
            .serve(&access::Ods::parse("8AA01").unwrap())
            .await;
        let stuck = store.stuck(&scope(), 10).await.unwrap();
        let [stuck] = stuck.as_slice() else {
            panic!("{stuck:?}")
        };
        assert_eq!(stuck.other, "8AA01");
        assert!(!stuck.reason.is_empty(), "{stuck:?}");
        let board = ListFilter::new(Show::AllOut);
        let letters = store.letters(&board_scope(network), &board).await.unwrap();
        assert_eq!(letters.letters.len(), 3);
    });
}

/// One commit or none: what cannot end its draft leaves nothing, wherever it is cut off.
#[test]
fn nothing_of_a_discharge_leaves_that_was_not_signed_as_it_stands() {
    on_each_database(async |network, grounds| {
        begun(network).await;
        let wrong = signed(network, 2);
        let committed = network.store(HOSPITAL).commit(&scope(), wrong).await;
        assert_eq!(committed.unwrap_err().kind, fhir::problem::Kind::Conflict);
        let board = ListFilter::new(Show::AllOut);
        let store = network.store(HOSPITAL);
        let letters = store.letters(&board_scope(network), &board).await.unwrap();
        assert!(letters.letters.is_empty(), "{letters:?}");
        assert!(
            !held(network, HOSPITAL, "una-there")
                .await
                .contains("Canary")
        );
        // A crash after the commit loses nothing, and the same press again sends nothing twice.
        let job = signed(network, 1);
        store.commit(&scope(), job).await.unwrap();
        network.crash(HOSPITAL, grounds).await;
        let again = signed(network, 1);
        let store = network.store(HOSPITAL);
        assert!(store.commit(&scope(), again).await.is_err());
        let letters = store.letters(&board_scope(network), &board).await.unwrap();
        assert_eq!(letters.letters.len(), 3);
        assert!(
            held(network, HOSPITAL, "una-there")
                .await
                .contains("Canary-course")
        );
        assert!(store.unsigned(&scope()).await.unwrap().0.is_empty());
    });
}
