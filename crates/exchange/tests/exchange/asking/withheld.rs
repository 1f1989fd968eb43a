//! What a patient does not want shared is withheld, and named.

use access::{OpeningKind, Outcome};
use exchange::ask::{Closed, SourceState};
use serde_json::json;
use store::care::{CareWrite, Told};
use store::{Effect, Job};

use super::{ask, log, point, scope, source, stocked, words};
use crate::network::{HOSPITAL, Network, PHARMACY, PRACTICE, on_each_database};
use crate::sharing::consent;

async fn wish(network: &Network, types: &[&str]) {
    let wish = consent("una", "active", types);
    network.put(PRACTICE, "wish", &wish).await;
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
        ends_at: network.clock.now() + 600_000,
    };
    let job = Job::effect(Effect::Care(open));
    network.store(HOSPITAL).commit(&scope(), job).await.unwrap();
}

#[test]
fn p18_what_the_patient_keeps_from_who_asks_is_named_as_withheld_and_not_given() {
    on_each_database(async |network, _| {
        stocked(network).await;
        wish(network, &["Observation"]).await;
        // The hospital does not know of it yet: the practice keeps it back.
        let shared = ask(network).await;
        assert_eq!(source(network, &shared, PRACTICE).withheld, ["Observation"]);
        assert_eq!(words(&shared), ["Penicillin"]);
        let lines = log(network, PRACTICE).await;
        let mut withheld = lines.iter().filter(|it| it.outcome == Outcome::Withheld);
        let line = withheld.next().unwrap();
        assert_eq!(line.target.query.as_deref(), Some("_type=Observation"));
    });
}

#[test]
fn p18_what_is_known_to_be_unwanted_is_not_even_asked_for_and_no_copy_of_it_is_shown() {
    on_each_database(async |network, _| {
        stocked(network).await;
        point(network).await;
        assert_eq!(ask(network).await.items.len(), 3);
        // The practice tells those who hold something: a letter makes the hospital one of them.
        network.send(network.letter("1")).await;
        network.carry().await;
        wish(network, &["Observation"]).await;
        network.nodes[PRACTICE].tell_sharing().await.unwrap();
        network.tell().await;
        network.link.mute.lock().push(network.ods(PHARMACY));
        let shared = ask(network).await;
        assert_eq!(shared.without, ["Observation"]);
        assert_eq!(
            words(&shared)
                .iter()
                .filter(|it| **it != "Penicillin")
                .count(),
            0
        );
        let pharmacy = source(network, &shared, PHARMACY);
        assert!(matches!(pharmacy.state, SourceState::Silent { .. }));
        assert_eq!(pharmacy.count, 0);
        network.nodes[HOSPITAL].tidy_copies().await.unwrap();
        let scope = super::asking(network).await;
        let copies = network.store(HOSPITAL).copies_of(&scope, "una-there");
        assert!(copies.await.unwrap().is_empty(), "they are dropped");
        network.link.mute.lock().clear();
        let all = store::ask::TYPES;
        wish(network, &all).await;
        network.nodes[PRACTICE].tell_sharing().await.unwrap();
        network.tell().await;
        assert_eq!(ask(network).await.closed, Some(Closed::Unwanted));
    });
}

#[test]
fn p19_p04_an_emergency_opens_what_is_kept_back_and_is_told_at_both_ends() {
    on_each_database(async |network, _| {
        stocked(network).await;
        wish(network, &["Observation", "AllergyIntolerance"]).await;
        assert!(ask(network).await.items.is_empty());
        open_in_an_emergency(network).await;
        let shared = ask(network).await;
        assert_eq!(words(&shared), ["Penicillin", "Potassium"]);
        assert!(source(network, &shared, PRACTICE).withheld.is_empty());
        let lines = log(network, PRACTICE).await;
        assert_eq!(lines[0].purpose, "BTG");
        assert_eq!(lines[0].target.patient.as_deref(), Some("una"));
        let items = privacy_items(network).await;
        let [item] = items.as_slice() else {
            panic!("{items:?}")
        };
        assert_eq!(item.kind, "emergency");
        assert_eq!(item.name, "Nura Nurse (RZZ01)");
        assert_eq!(item.reason, "Collapsed in the waiting room");
        let asking = super::asking(network).await;
        let copies = network.store(HOSPITAL).copies_of(&asking, "una-there");
        let copies = copies.await.unwrap();
        let kept = copies.iter().map(|it| String::from_utf8_lossy(&it.body));
        assert!(!kept.collect::<String>().contains("Penicillin"));
    });
}

/// What the practice's privacy officer has to look at.
async fn privacy_items(network: &Network) -> Vec<store::care::PrivacyItem> {
    let who = access::Who::Staff {
        account: 9,
        name: "Olu Officer".into(),
        role: access::Role::PrivacyOfficer,
        organisation: network.ods(PRACTICE),
    };
    let caller = access::Caller::new(who, "r-o".into());
    let scope = access::decide(
        &caller,
        access::Interaction::AccessLog,
        "",
        access::Purpose::Compliance,
        network.clock.now(),
    );
    let store = network.store(PRACTICE);
    store.privacy_items(&scope.unwrap()).await.unwrap()
}

#[test]
fn p13_nothing_that_comes_tells_where_a_restricted_patient_is() {
    on_each_database(async |network, _| {
        stocked(network).await;
        let encounter = json!({
            "resourceType": "Encounter",
            "status": "finished",
            "class": { "code": "AMB" },
            "subject": { "reference": "Patient/una" },
            "serviceProvider": { "display": "Canary Clinic" },
            "location": [{ "location": { "reference": "Location/canary" } }],
        });
        network.put(PRACTICE, "visit", &encounter.to_string()).await;
        let plain = ask(network).await;
        assert!(format!("{:?}", plain.items).contains("Canary"));
        // Only the hospital knows that she is restricted.
        let mut restricted: serde_json::Value = json!({
            "resourceType": "Patient",
            "identifier": [{ "system": "https://fhir.nhs.uk/Id/nhs-number", "value": crate::network::UNA }],
            "name": [{ "family": "Ash", "given": ["Una"] }],
            "birthDate": "1980-02-01",
            "generalPractitioner": [{ "identifier": {
                "system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "A81001" } }],
        });
        restricted["meta"] = json!({ "security": [{
            "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R" }] });
        network
            .put(HOSPITAL, "una-there", &restricted.to_string())
            .await;
        let shared = ask(network).await;
        assert!(shared.is_restricted);
        assert!(!shared.items.is_empty());
        let said = format!("{:?}", shared.items);
        assert!(!said.to_lowercase().contains("canary"), "{said}");
        network.nodes[HOSPITAL].tidy_copies().await.unwrap();
        let asking = super::asking(network).await;
        let copies = network.store(HOSPITAL).copies_of(&asking, "una-there");
        assert!(copies.await.unwrap().is_empty());
    });
}

/// A crisis plan is named as withheld to who asks, and given to who opened the record in an emergency.
#[test]
fn a_crisis_plan_is_named_as_withheld_and_opens_to_another_organisation_in_an_emergency() {
    on_each_database(async |network, _| {
        stocked(network).await;
        let plan = json!({
            "resourceType": "CarePlan", "status": "active", "intent": "plan", "title": "Crisis plan",
            "subject": { "reference": "Patient/una" },
            "meta": { "security": [
                { "system": "urn:handover:seal", "code": "until-emergency" },
                { "system": "urn:handover:workgroup", "code": "crisis-team" },
            ] },
        });
        network.put(PRACTICE, "plan", &plan.to_string()).await;
        let locked = plan.to_string().replace("until-emergency", "sealed");
        network
            .put(
                PRACTICE,
                "sealed",
                &locked.replace("Crisis plan", "Sealed plan"),
            )
            .await;
        let titles = |shared: &exchange::ask::SharedRecord| {
            let of = |it: &exchange::ask::Item| it.resource["title"].as_str().map(str::to_owned);
            shared.items.iter().filter_map(of).collect::<Vec<_>>()
        };
        let shared = ask(network).await;
        assert!(titles(&shared).is_empty());
        assert_eq!(source(network, &shared, PRACTICE).withheld, ["CarePlan"]);
        open_in_an_emergency(network).await;
        let shared = ask(network).await;
        // What is sealed for good stays so, and leaves no trace.
        assert_eq!(titles(&shared), ["Crisis plan"]);
        assert!(source(network, &shared, PRACTICE).withheld.is_empty());
        let lines = log(network, PRACTICE).await;
        assert_eq!(lines[0].purpose, "BTG");
        let items = privacy_items(network).await;
        assert_eq!(items.len(), 1, "{items:?}");
        assert_eq!(items[0].name, "Nura Nurse (RZZ01)");
    });
}
