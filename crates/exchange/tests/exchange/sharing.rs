//! What patients want shared goes to those who hold something about them, and to nobody else.

use access::{Interaction, OpeningKind, Purpose, Role, Scope, SystemPurpose, Who};
use serde_json::json;
use store::care::{CareWrite, Told};
use store::parcels::{Show, State};
use store::sharing::{Asked, Telling};
use store::{Effect, Job, Reading};

use crate::link::Fate;
use crate::network::{HOSPITAL, Network, PHARMACY, PRACTICE, UNA, on_each_database};

const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
/// Longer than what a home practice said is believed, in milliseconds.
const TOO_LONG: i64 = 3_700_000;

fn scope() -> Scope {
    Scope::system(SystemPurpose::Measure)
}

/// Una does not want the hospital to see these types.
pub fn consent(patient: &str, status: &str, types: &[&str]) -> String {
    let class = |ty: &&str| json!({ "system": "http://hl7.org/fhir/resource-types", "code": ty });
    let deny = json!({
        "type": "deny",
        "actor": [{
            "role": { "text": "receiver" },
            "reference": { "identifier": { "system": ODS, "value": "RZZ01" } },
        }],
        "class": types.iter().map(class).collect::<Vec<_>>(),
    });
    json!({
        "resourceType": "Consent",
        "status": status,
        "scope": { "text": "privacy" },
        "category": [{ "coding": [{ "system": "urn:handover:consent", "code": "sharing" }] }],
        "patient": { "reference": format!("Patient/{patient}") },
        "policyRule": { "text": "opt in" },
        "provision": { "type": "permit", "provision": [deny] },
    })
    .to_string()
}

/// The hospital has sent a letter about Una, and has measured something.
async fn stocked(network: &Network) {
    network
        .register(HOSPITAL, "una-there", UNA, "Ash", "1980-02-01")
        .await;
    let observation = r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},
        "subject":{"reference":"Patient/una-there"}}"#;
    network.put(HOSPITAL, "measured", observation).await;
    network.send(network.letter("1")).await;
    network.carry().await;
}

fn nurse(network: &Network) -> Who {
    Who::Staff {
        account: 7,
        name: "Nura Nurse".into(),
        role: Role::Clinician,
        organisation: network.ods(HOSPITAL),
    }
}

async fn nurses_scope(network: &Network, ty: &str) -> Scope {
    let (who, now) = (nurse(network), network.clock.now());
    let standing = network.store(HOSPITAL).standing(&who, now).await.unwrap();
    let caller = access::Caller::new(who, "r-2".into());
    let facts = (&*standing, now);
    access::decide_for(&caller, Interaction::Read, ty, Purpose::DirectCare, facts).unwrap()
}

/// Whether the hospital's staff see it.
async fn sees(network: &Network, ty: &str, id: &str) -> bool {
    let scope = nurses_scope(network, ty).await;
    let read = network.store(HOSPITAL).read(&scope, ty, id).await.unwrap();
    matches!(read, Reading::Found(_))
}

async fn open_in_an_emergency(network: &Network) {
    let told = Told {
        patient: "una-there".into(),
        organisation: "RZZ01".into(),
        account: 7,
        name: "Nura Nurse".into(),
        role: "clinician".into(),
        code: "unable-to-ask".into(),
        reason: "Collapsed in the waiting room".into(),
    };
    let open = CareWrite::Open {
        kind: OpeningKind::Emergency,
        told,
        ends_at: network.clock.now() + 1_000,
    };
    let job = Job::effect(Effect::Care(open));
    network.store(HOSPITAL).commit(&scope(), job).await.unwrap();
}

async fn tellings(network: &Network, at: usize, patient: &str) -> Vec<Telling> {
    let store = network.store(at);
    store.tellings(&scope(), patient).await.unwrap()
}

/// The hospital asks its patients' home practices.
async fn ask(network: &Network) -> Asked {
    let node = &network.nodes[HOSPITAL];
    let standpoints = node.store().standpoints().await.unwrap();
    assert_eq!(standpoints.len(), 1, "{standpoints:?}");
    node.confirm_sharing(&standpoints[0]).await.unwrap()
}

/// A letter from the practice becomes a record at the hospital; its id there.
async fn letter_back(network: &Network) -> String {
    let mut letter = network.letter("back");
    letter.to = network.ods(HOSPITAL);
    letter.patient = "una".into();
    let effect = network.nodes[PRACTICE].send_letter(letter).unwrap();
    let job = Job::effect(effect);
    network.store(PRACTICE).commit(&scope(), job).await.unwrap();
    assert!(network.nodes[PRACTICE].serve(&network.ods(HOSPITAL)).await);
    while network.nodes[HOSPITAL].take_in().await.unwrap() > 0 {}
    let letters = network.list(HOSPITAL, Show::AllIn).await;
    letters[0].made.document.clone().unwrap()
}

#[test]
fn p18_a_preference_is_told_to_who_holds_something_and_to_nobody_else() {
    on_each_database(async |network, _| {
        stocked(network).await;
        assert!(sees(network, "Observation", "measured").await);
        let text = consent("una", "active", &["Observation"]);
        network.put(PRACTICE, "wish", &text).await;
        let practice = network.nodes[PRACTICE].clone();
        assert_eq!(practice.tell_sharing().await.unwrap(), 1);
        assert_eq!(practice.tell_sharing().await.unwrap(), 0);
        let before = tellings(network, PRACTICE, "una").await;
        assert_eq!(before.len(), 1, "{before:?}");
        assert_eq!((before[0].told_at, before[0].receipts.len()), (None, 0));
        assert!(practice.serve(&network.ods(HOSPITAL)).await);
        // In force at once, and its own receipt says so.
        assert!(!sees(network, "Observation", "measured").await);
        assert!(sees(network, "Patient", "una-there").await);
        let after = tellings(network, PRACTICE, "una").await;
        assert_eq!(after[0].organisation, "RZZ01");
        assert_eq!(after[0].told_at, Some(network.clock.now()));
        assert_eq!(after[0].receipts.len(), 1);
        // It is no letter, on no list of letters.
        assert!(network.list(HOSPITAL, Show::AllIn).await.is_empty());
        assert_eq!(network.list(PRACTICE, Show::AllOut).await.len(), 0);
        let pharmacy = network.store(PHARMACY);
        assert!(pharmacy.held_for_nobody(10).await.unwrap().is_empty());
        // The refusal above is told back, signed.
        assert!(network.nodes[HOSPITAL].serve(&network.ods(PRACTICE)).await);
        let proof = tellings(network, PRACTICE, "una").await;
        assert!(proof[0].refused_at.is_some());
        assert_eq!(proof[0].receipts.len(), 2);
        // It is withdrawn as it was given.
        let text = consent("una", "inactive", &["Observation"]);
        network.put(PRACTICE, "wish", &text).await;
        practice.tell_sharing().await.unwrap();
        assert!(practice.serve(&network.ods(HOSPITAL)).await);
        assert!(sees(network, "Observation", "measured").await);
    });
}

#[test]
fn p18_the_newest_preference_holds_however_the_link_loses_doubles_and_reorders() {
    on_each_database(async |network, _| {
        stocked(network).await;
        let mut turn = 0;
        let fates = [Fate::Late, Fate::AnswerLost, Fate::Doubled, Fate::Lost];
        network.link.set(move |_, _| {
            turn += 1;
            fates[turn % 4]
        });
        let practice = network.nodes[PRACTICE].clone();
        for status in ["active", "inactive", "active", "inactive", "active"] {
            network
                .put(PRACTICE, "wish", &consent("una", status, &["Observation"]))
                .await;
            practice.tell_sharing().await.unwrap();
            practice.serve(&network.ods(HOSPITAL)).await;
        }
        network.link.set(|_, _| Fate::Fine);
        assert!(practice.serve(&network.ods(HOSPITAL)).await);
        network.link.let_late_arrive().await;
        assert!(!sees(network, "Observation", "measured").await);
        let told = tellings(network, PRACTICE, "una").await;
        assert!(told.len() == 1 && told[0].told_at.is_some(), "{told:?}");
    });
}

#[test]
fn p18_a_member_that_was_cut_off_takes_a_preference_in_before_it_answers_again() {
    on_each_database(async |network, _| {
        stocked(network).await;
        let letter = letter_back(network).await;
        assert_eq!(ask(network).await, Asked::Confirmed);
        assert!(sees(network, "DocumentReference", &letter).await);
        network.link.set(|_, _| Fate::Lost);
        network
            .put(
                PRACTICE,
                "wish",
                &consent("una", "active", &["Observation"]),
            )
            .await;
        let practice = network.nodes[PRACTICE].clone();
        practice.tell_sharing().await.unwrap();
        assert!(!practice.serve(&network.ods(HOSPITAL)).await);
        let told = tellings(network, PRACTICE, "una").await;
        assert!(told[0].told_at.is_none() && told[0].reason.is_some());
        assert_eq!(ask(network).await, Asked::Silent);
        // It knows that it may be behind: what came from others is withheld, what is its own is not.
        network.clock.advance(TOO_LONG);
        assert!(!sees(network, "DocumentReference", &letter).await);
        assert!(sees(network, "Observation", "measured").await);
        let scope = nurses_scope(network, "Patient").await;
        let withheld = network
            .store(HOSPITAL)
            .withheld_of(&scope, "una-there", None);
        assert!(
            withheld.await.unwrap().count > 0,
            "it is named, not passed over"
        );
        network.link.set(|_, _| Fate::Fine);
        // The link is back: first it hears that it is behind, and answers nothing until it is not.
        assert_eq!(ask(network).await, Asked::Behind);
        assert!(!sees(network, "DocumentReference", &letter).await);
        assert!(practice.serve(&network.ods(HOSPITAL)).await);
        assert!(!sees(network, "DocumentReference", &letter).await);
        assert_eq!(ask(network).await, Asked::Confirmed);
        assert!(sees(network, "DocumentReference", &letter).await);
        assert!(!sees(network, "Observation", "measured").await);
    });
}

#[test]
fn p19_neither_a_preference_nor_a_cut_link_locks_out_emergency_access() {
    on_each_database(async |network, _| {
        stocked(network).await;
        let letter = letter_back(network).await;
        assert_eq!(ask(network).await, Asked::Confirmed);
        network
            .put(
                PRACTICE,
                "wish",
                &consent("una", "active", &["Observation"]),
            )
            .await;
        network.nodes[PRACTICE].tell_sharing().await.unwrap();
        assert!(network.nodes[PRACTICE].serve(&network.ods(HOSPITAL)).await);
        network.clock.advance(TOO_LONG);
        assert!(!sees(network, "Observation", "measured").await);
        assert!(!sees(network, "DocumentReference", &letter).await);
        open_in_an_emergency(network).await;
        assert!(sees(network, "Observation", "measured").await);
        assert!(sees(network, "DocumentReference", &letter).await);
    });
}

#[test]
fn p18_a_second_keeper_tells_what_the_home_practice_can_no_longer_tell() {
    on_each_database(async |network, grounds| {
        network.second_keeper = Some(network.ods(PHARMACY));
        network.crash(PRACTICE, grounds).await;
        stocked(network).await;
        assert_eq!(ask(network).await, Asked::Confirmed);
        let practice = network.nodes[PRACTICE].clone();
        network
            .put(
                PRACTICE,
                "wish",
                &consent("una", "active", &["Observation"]),
            )
            .await;
        practice.tell_sharing().await.unwrap();
        assert!(practice.serve(&network.ods(PHARMACY)).await);
        // The practice is gone before it could tell the hospital.
        network.link.disconnect(&network.ods(PRACTICE));
        assert!(sees(network, "Observation", "measured").await);
        assert_eq!(ask(network).await, Asked::Confirmed);
        assert!(!sees(network, "Observation", "measured").await);
        let kept = network.store(PHARMACY);
        let home = network.ods(PRACTICE);
        let kept = kept.kept_for(&home, &home);
        assert!(
            kept.await.unwrap().is_empty(),
            "only those who are to be told"
        );
    });
}

#[test]
fn p18_a23_only_the_home_practice_says_what_its_patient_wants() {
    on_each_database(async |network, _| {
        stocked(network).await;
        let patient = json!({
            "resourceType": "Patient",
            "identifier": [{ "system": "https://fhir.nhs.uk/Id/nhs-number", "value": UNA }],
            "name": [{ "family": "Ash" }],
            "birthDate": "1980-02-01",
        });
        network.put(PHARMACY, "una-p", &patient.to_string()).await;
        let mut letter = network.letter("p");
        letter.to = network.ods(HOSPITAL);
        letter.patient = "una-p".into();
        let pharmacy = network.nodes[PHARMACY].clone();
        let job = Job::effect(pharmacy.send_letter(letter).unwrap());
        network.store(PHARMACY).commit(&scope(), job).await.unwrap();
        network
            .put(
                PHARMACY,
                "wish",
                &consent("una-p", "active", &["Observation"]),
            )
            .await;
        pharmacy.tell_sharing().await.unwrap();
        assert!(pharmacy.serve(&network.ods(HOSPITAL)).await);
        let told = tellings(network, PHARMACY, "una-p").await;
        assert_eq!(told[0].state, State::Undeliverable);
        let reason = told[0].reason.as_deref().unwrap_or_default();
        assert!(reason.contains("another practice"), "{reason}");
        assert!(sees(network, "Observation", "measured").await);
    });
}
