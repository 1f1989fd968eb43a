//! What a Consent puts into force, in its own commit.

use access::{Interaction, Standing, Who};
use fhir::problem::Kind;
use serde_json::{Value, json};
use store::testing::{START, on_each_database};
use store::{Expect, Reading, Release, Store};

use crate::people::{commit, delete, observation, ods, person, put_as, staff_with};

fn consent(deny: &Value) -> Value {
    json!({
        "resourceType": "Consent",
        "status": "active",
        "scope": { "text": "privacy" },
        "category": [{ "coding": [{ "system": "urn:handover:consent", "code": "sharing" }] }],
        "patient": { "reference": "Patient/p" },
        "policyRule": { "text": "opt in" },
        "provision": { "type": "permit", "provision": [deny] },
    })
}

fn deny(organisation: &str) -> Value {
    json!({
        "type": "deny",
        "actor": [{
            "role": { "text": "receiver" },
            "reference": { "identifier": {
                "system": "https://fhir.nhs.uk/Id/ods-organization-code",
                "value": organisation,
            } },
        }],
        "class": [{ "system": "http://hl7.org/fhir/resource-types", "code": "Observation" }],
    })
}

async fn put(store: &Store, consent: &Value) -> Result<(), fhir::Problem> {
    let change = put_as(&consent.to_string(), "c", Expect::Anything, Release::Keep);
    commit(store, vec![change]).await.map(|_| ())
}

async fn sees(store: &Store) -> bool {
    let who = Who::Staff {
        account: 1,
        name: "Sam Staff".into(),
        role: access::Role::Clinician,
        organisation: ods("A81001"),
    };
    let standing = store.standing(&who, START).await.unwrap();
    let scope = staff_with(&Standing::clone(&standing), Interaction::Read, START);
    let reading = store.read(&scope, "Observation", "o").await.unwrap();
    matches!(reading, Reading::Found(_))
}

#[test]
fn p18_a_consent_holds_in_its_own_commit_until_it_ends() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let text = observation("p", "1-1", "2024");
        let changes = vec![
            put_as(&person("One"), "p", Expect::Absent, Release::Keep),
            put_as(&text, "o", Expect::Absent, Release::Keep),
        ];
        commit(&store, changes).await.unwrap();
        // Another organisation's rule, and a Consent of another category, hold nothing back here.
        put(&store, &consent(&deny("RZZ01"))).await.unwrap();
        assert!(sees(&store).await);
        let mut other = consent(&deny("A81001"));
        other["category"] = json!([{ "text": "something else" }]);
        put(&store, &other).await.unwrap();
        assert!(sees(&store).await);
        put(&store, &consent(&deny("A81001"))).await.unwrap();
        assert!(!sees(&store).await);
        assert_eq!(store.sharing_due(10).await.unwrap().len(), 1);
        let mut past = deny("A81001");
        past["period"] = json!({ "end": "2001-01-01" });
        put(&store, &consent(&past)).await.unwrap();
        assert!(sees(&store).await);
        put(&store, &consent(&deny("A81001"))).await.unwrap();
        assert!(!sees(&store).await);
        commit(&store, vec![delete("Consent", "c", Expect::Exists)])
            .await
            .unwrap();
        assert!(sees(&store).await);
        let due = store.sharing_due(10).await.unwrap();
        assert!(due[0].version >= 4, "{due:?}");
        store.close().await;
    });
}

#[test]
fn p18_a_wish_that_is_not_understood_is_refused_and_not_passed_over() {
    let refused = |deny: &Value| {
        let text = consent(deny).to_string();
        let json = fhir::json::parse(text.as_bytes(), &fhir::json::Limits::default()).unwrap();
        let refused = store::Prepared::new(&json, "c", &ods("A81001")).unwrap_err();
        assert_eq!(refused.kind, Kind::BusinessRule, "{refused:?}");
        refused.message
    };
    let mut purpose = deny("A81001");
    purpose["purpose"] = json!([{ "code": "HRESCH" }]);
    assert!(refused(&purpose).contains("purpose"));
    let mut nobody = deny("A81001");
    nobody["actor"] = json!([]);
    assert!(refused(&nobody).contains("one organisation"));
    let mut unknown = deny("A81001");
    unknown["actor"][0]["reference"] = json!({ "reference": "Organization/1" });
    assert!(refused(&unknown).contains("ODS code"));
    let mut all = deny("A81001");
    all["class"] = json!([]);
    assert!(refused(&all).contains("resource types"));
    let mut system = deny("A81001");
    system["class"][0]["system"] = json!("urn:other");
    assert!(refused(&system).contains("resource types"));
    let mut permit = deny("A81001");
    permit["type"] = json!("permit");
    assert!(refused(&permit).contains("denies"));
}
