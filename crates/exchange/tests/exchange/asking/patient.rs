//! A patient asks for themselves, through the node of their practice.

use access::{Caller, Interaction, NhsNumber, Purpose, Scope, Who};
use exchange::ask::{Person, SharedRecord, SourceState};
use store::{Change, Job, Release};

use super::{log, point, scope, source, stocked, why, words};
use crate::link::Fate;
use crate::network::{HOSPITAL, Network, PHARMACY, PRACTICE, UNA, on_each_database};

fn una(network: &Network, patient: &str) -> Scope {
    let who = Who::Patient {
        account: 3,
        name: "Una Ash".into(),
        patient: patient.into(),
        nhs_number: NhsNumber::parse(UNA).unwrap(),
    };
    let caller = Caller::new(who, "r-3".into());
    let now = network.clock.now();
    access::decide(
        &caller,
        Interaction::AskForOneself,
        "Patient",
        Purpose::PatientRequest,
        now,
    )
    .unwrap()
}

async fn ask_at(network: &Network, at: usize, patient: &str) -> SharedRecord {
    let scope = una(network, patient);
    let herself = Person {
        name: "Una Ash".into(),
        role: None,
    };
    let asked = network.nodes[at].shared_record(&scope, patient, herself);
    asked.await.unwrap()
}

/// Lets the patient see a resource from now on.
async fn release(network: &Network, at: usize, ty: &str, id: &str) {
    let change = Change::Release {
        ty: ty.into(),
        id: id.into(),
        release: Release::At(network.clock.now()),
    };
    let job = Job::change(change);
    network.store(at).commit(&scope(), job).await.unwrap();
}

#[test]
fn a_patient_who_asks_is_given_what_is_released_to_them_and_nothing_that_staff_were_answered() {
    on_each_database(async |network, _| {
        stocked(network).await;
        point(network).await;
        release(network, PRACTICE, "Patient", "una").await;
        let shared = ask_at(network, PRACTICE, "una").await;
        assert_eq!(
            source(network, &shared, PHARMACY).state,
            SourceState::Answered
        );
        assert!(
            words(&shared).is_empty(),
            "nothing is released there: {:?}",
            words(&shared)
        );
        release(network, PHARMACY, "Observation", "peak-flow").await;
        let shared = ask_at(network, PRACTICE, "una").await;
        assert_eq!(words(&shared), ["Peak flow"]);
        let lines = log(network, PHARMACY).await;
        let line = lines.first().unwrap();
        assert_eq!(line.agent.name, "Una Ash");
        assert_eq!(line.agent.role.as_deref(), Some("patient"));
        assert_eq!(&*line.purpose, "PATRQT");
        // When it is silent, no copy takes its place: what is kept was for staff.
        network.link.set(|_, _| Fate::Lost);
        let silent = ask_at(network, PRACTICE, "una").await;
        assert!(!why(network, &silent, PHARMACY).is_empty());
        assert!(words(&silent).is_empty());
    });
}

#[test]
fn to_all_but_their_own_practice_a_patient_who_asks_is_a_stranger() {
    on_each_database(async |network, _| {
        stocked(network).await;
        release(network, HOSPITAL, "Patient", "una-there").await;
        release(network, PRACTICE, "AllergyIntolerance", "allergy").await;
        let shared = ask_at(network, HOSPITAL, "una-there").await;
        assert_eq!(
            source(network, &shared, PRACTICE).state,
            SourceState::Unknown
        );
        assert!(words(&shared).is_empty());
    });
}

#[test]
fn appointments_elsewhere_are_the_patients_own_to_ask_for_and_only_what_is_released() {
    on_each_database(async |network, _| {
        stocked(network).await;
        let visit = r#"{"resourceType":"Appointment","status":"booked","start":"2026-02-10T10:00:00Z",
            "participant":[{"actor":{"reference":"Patient/una-p"},"status":"accepted"}]}"#;
        network.put(PHARMACY, "jab", visit).await;
        network.put(PHARMACY, "later", visit).await;
        point(network).await;
        release(network, PRACTICE, "Patient", "una").await;
        release(network, PHARMACY, "Appointment", "jab").await;
        let herself = |role| Person {
            name: "Una Ash".into(),
            role,
        };
        let scope = una(network, "una");
        let node = &network.nodes[PRACTICE];
        let types = ["Appointment"];
        let asked = node.shared_plans(&scope, ("una", herself(None)), &types);
        let shared = asked.await.unwrap();
        let ids: Vec<&str> = shared
            .items
            .iter()
            .map(|it| it.resource["id"].as_str().unwrap())
            .collect();
        assert_eq!(ids, ["jab"]);
        assert!(source(network, &shared, PHARMACY).withheld.is_empty());
        // Not staff's, in whosever name.
        let staff = super::asking(network).await;
        let role = Some(access::Role::Clinician);
        let node = &network.nodes[HOSPITAL];
        let asked = node.shared_plans(&staff, ("una-there", herself(role)), &types);
        assert!(asked.await.is_err());
    });
}
