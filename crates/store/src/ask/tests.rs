//! Pointers to what was held before others could know of it, on each database.

use access::{Scope, SystemPurpose};
use fhir::date::Millis;
use fhir::json::{Limits, parse};
use fhir::problem::Kind;
use serde_json::{Value, json};

use super::{AskWrite, Look};
use crate::resources::{Prepared, Release};
use crate::store::Store;
use crate::testing::on_each_database;
use crate::write::{Change, Effect, Expect, Job};

fn scope() -> Scope {
    Scope::system(SystemPurpose::KeepPointers)
}

async fn put(store: &Store, id: &str, resource: Value) {
    let text = resource.to_string();
    let json = parse(text.as_bytes(), &Limits::default()).unwrap();
    let change = Change::Put {
        resource: Prepared::new(&json, id, store.organisation()).unwrap(),
        expect: Expect::Anything,
        release: Release::Keep,
    };
    store.commit(&scope(), Job::change(change)).await.unwrap();
}

async fn appointment(store: &Store, patient: &str) {
    let actor = json!({ "reference": format!("Patient/{patient}") });
    let participant = json!([{ "actor": actor, "status": "accepted" }]);
    let appointment =
        json!({ "resourceType": "Appointment", "status": "booked", "participant": participant });
    put(store, &format!("of-{patient}"), appointment).await;
}

async fn note(store: &Store, patients: Vec<String>, upto: (Millis, i64), look: Look) {
    let noted = AskWrite::Noted {
        patients,
        upto,
        look,
    };
    let job = Job::effect(Effect::Ask(noted));
    store.commit(&scope(), job).await.unwrap();
}

/// Passes all versions as a node did that told nobody of appointments.
async fn pass(store: &Store) {
    while let Some((_, upto)) = store.newly_held(&scope(), 10).await.unwrap() {
        note(store, Vec::new(), upto, Look::Ahead).await;
    }
}

/// The patients of the next version of before, noted; `None` once there is none.
async fn next(store: &Store) -> Option<Vec<String>> {
    let (patients, upto) = store.held_before(&scope(), 1).await.unwrap()?;
    note(store, patients.clone(), upto, Look::Behind).await;
    Some(patients)
}

async fn due(store: &Store) -> Vec<String> {
    let due = store.pointers_due(&scope(), 0, 10).await.unwrap();
    due.into_iter().map(|it| it.patient).collect()
}

#[test]
fn what_was_passed_before_is_looked_through_once_in_pieces_and_goes_on_after_a_start() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        appointment(&store, "una").await;
        put(&store, "una", json!({ "resourceType": "Patient" })).await;
        appointment(&store, "bo").await;
        ground.clock().advance(3_000);
        pass(&store).await;
        assert!(due(&store).await.is_empty());
        assert_eq!(next(&store).await, Some(vec!["una".to_owned()]));
        drop(store);
        let store = ground.open().await;
        assert_eq!(due(&store).await, ["una"]);
        assert_eq!(
            next(&store).await,
            Some(vec![]),
            "a Patient alone is nothing held"
        );
        assert_eq!(next(&store).await, Some(vec!["bo".to_owned()]));
        assert_eq!(next(&store).await, Some(vec![]), "the end is noted");
        assert_eq!(next(&store).await, None);
        assert_eq!(due(&store).await, ["bo", "una"]);
        // What is new later is found by the look ahead alone.
        appointment(&store, "cy").await;
        ground.clock().advance(3_000);
        assert_eq!(next(&store).await, None);
        let (patients, _) = store.newly_held(&scope(), 10).await.unwrap().unwrap();
        assert_eq!(patients, ["cy"]);
    });
}

#[test]
fn another_list_of_types_is_looked_for_from_the_beginning_and_by_the_node_alone() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        appointment(&store, "una").await;
        ground.clock().advance(3_000);
        pass(&store).await;
        while next(&store).await.is_some() {}
        let other = "UPDATE counter SET next = next - 1 WHERE name = 'pointer-types'";
        ground.execute(other).await;
        assert_eq!(next(&store).await, Some(vec!["una".to_owned()]));
        let caller = access::Caller::new(
            access::Who::Staff {
                account: 7,
                name: "Nura Nurse".into(),
                role: access::Role::Clinician,
                organisation: store.organisation().clone(),
            },
            "r-1".into(),
        );
        let facts = (&access::Standing::default(), store.now());
        let purpose = access::Purpose::DirectCare;
        let interaction = access::Interaction::Read;
        let nurse = access::decide_for(&caller, interaction, "Patient", purpose, facts).unwrap();
        let refused = store.held_before(&nurse, 1).await.unwrap_err();
        assert_eq!(refused.kind, Kind::Forbidden);
    });
}
