//! Which practice is a patient's home: by its ODS code beside the reference, or by an Organization here that is referred to.

use access::{Scope, SystemPurpose};
use serde_json::{Value, json};
use store::moving::MoveState;
use store::testing::{Ground, on_each_database};
use store::{Change, Expect, Store};

use crate::people::{commit, delete, put};

const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
const HERE: &str = "https://node.example.nhs.uk/fhir";

async fn open(ground: &Ground) -> Store {
    let mut settings = ground.settings.clone();
    settings.fhir_url = HERE.to_owned();
    Store::open(settings).await.unwrap()
}

/// A Patient who names that practice.
fn patient(practice: &Value) -> Change {
    let text = json!({ "resourceType": "Patient", "generalPractitioner": [practice] });
    put(&text.to_string(), "p")
}

fn refers(to: &str) -> Change {
    patient(&json!({ "reference": to }))
}

/// A practice as a resource, with that code.
fn practice(id: &str, code: &str) -> Change {
    let text = json!({
        "resourceType": "Organization",
        "name": "A surgery",
        "identifier": [{ "system": ODS, "value": code }],
    });
    put(&text.to_string(), id)
}

async fn home(store: &Store) -> String {
    store.home_of("p").await.unwrap().unwrap_or_default()
}

#[test]
fn a_home_is_the_code_of_the_organization_referred_to_whichever_came_first() {
    on_each_database(async |ground| {
        let store = open(ground).await;
        // The Organization later, in the same commit, and before.
        commit(&store, vec![refers("Organization/x")])
            .await
            .unwrap();
        assert_eq!(home(&store).await, "");
        commit(&store, vec![practice("x", "A81002")]).await.unwrap();
        assert_eq!(home(&store).await, "A81002");
        let both = vec![refers("Organization/y"), practice("y", "A81003")];
        commit(&store, both).await.unwrap();
        assert_eq!(home(&store).await, "A81003");
        commit(&store, vec![refers("Organization/x/_history/1")])
            .await
            .unwrap();
        assert_eq!(home(&store).await, "A81002");
        // By the node's own address; another's resource of that id is not this one.
        let own = format!("{HERE}/Organization/y");
        commit(&store, vec![refers(&own)]).await.unwrap();
        assert_eq!(home(&store).await, "A81003");
        let other = "https://other.example.nhs.uk/fhir/Organization/x";
        commit(&store, vec![refers(other)]).await.unwrap();
        assert_eq!(home(&store).await, "");
        let standpoints = store.standpoints().await.unwrap();
        let homes: Vec<&str> = standpoints.iter().map(|it| it.home.as_str()).collect();
        assert_eq!(homes, ["A81002", "A81003"], "both are asked from now on");
        store.close().await;
    });
}

#[test]
fn a_home_follows_what_its_organization_says_until_a_code_stands_beside_the_reference() {
    on_each_database(async |ground| {
        let store = open(ground).await;
        let both = vec![practice("x", "A81002"), refers("Organization/x")];
        commit(&store, both).await.unwrap();
        commit(&store, vec![practice("x", "A81004")]).await.unwrap();
        assert_eq!(home(&store).await, "A81004");
        let nameless = r#"{"resourceType":"Organization","name":"A surgery"}"#;
        commit(&store, vec![put(nameless, "x")]).await.unwrap();
        assert_eq!(home(&store).await, "");
        commit(&store, vec![practice("x", "A81002")]).await.unwrap();
        commit(&store, vec![delete("Organization", "x", Expect::Exists)])
            .await
            .unwrap();
        assert_eq!(home(&store).await, "");
        // What is deleted says nothing to whoever refers to it afterwards.
        commit(&store, vec![refers("Organization/x")])
            .await
            .unwrap();
        assert_eq!(home(&store).await, "");
        commit(&store, vec![practice("x", "A81002")]).await.unwrap();
        assert_eq!(home(&store).await, "A81002");
        let beside = json!({
            "reference": "Organization/x",
            "identifier": { "system": ODS, "value": "A81009" },
        });
        commit(&store, vec![patient(&beside)]).await.unwrap();
        assert_eq!(home(&store).await, "A81009");
        commit(&store, vec![practice("x", "A81004")]).await.unwrap();
        assert_eq!(home(&store).await, "A81009");
        store.close().await;
    });
}

#[test]
fn a_patient_moves_by_their_own_record_and_not_when_the_code_of_their_practice_is_put_right() {
    on_each_database(async |ground| {
        let store = open(ground).await;
        let both = vec![practice("x", "A81002"), refers("Organization/x")];
        commit(&store, both).await.unwrap();
        let scope = Scope::system(SystemPurpose::MovePatients);
        let noticed = async || {
            let moves = store.moves_in(&scope, MoveState::Noticed, 10).await;
            let moves = moves.unwrap();
            moves.iter().map(|it| it.other.clone()).collect::<Vec<_>>()
        };
        commit(&store, vec![practice("x", "A81001")]).await.unwrap();
        assert_eq!(home(&store).await, "A81001");
        assert_eq!(noticed().await, [""; 0]);
        let elsewhere = vec![practice("y", "A81002"), refers("Organization/y")];
        commit(&store, elsewhere).await.unwrap();
        assert_eq!(noticed().await, [""; 0]);
        commit(&store, vec![refers("Organization/x")])
            .await
            .unwrap();
        assert_eq!(home(&store).await, "A81001");
        assert_eq!(noticed().await, ["A81002"]);
        // Who is gone has no home any more, whatever is said of the practice.
        commit(&store, vec![delete("Patient", "p", Expect::Exists)])
            .await
            .unwrap();
        commit(&store, vec![practice("x", "A81004")]).await.unwrap();
        assert_ne!(home(&store).await, "A81004");
        store.close().await;
    });
}
