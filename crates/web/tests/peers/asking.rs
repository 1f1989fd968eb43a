use access::{Caller, Interaction, Purpose, Role, Scope, SystemPurpose, Who};
use exchange::Exchange;
use exchange::ask::{Person, SourceState};
use fhir::json::{Limits, parse};
use store::{Change, Expect, Job, Prepared, Release};

use crate::pair::Pair;

async fn put(node: &Exchange, id: &str, text: &str) {
    let json = parse(text.as_bytes(), &Limits::default()).unwrap();
    let change = Change::Put {
        resource: Prepared::new(&json, id, node.organisation()).unwrap(),
        expect: Expect::Anything,
        release: Release::Keep,
    };
    let scope = Scope::system(SystemPurpose::Measure);
    node.store()
        .commit(&scope, Job::change(change))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_asked_for_over_mutual_tls() {
    let pair = Pair::open().await;
    let una = r#"{"resourceType":"Patient","name":[{"family":"Ash"}],"birthDate":"1980-02-01",
        "identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9434765919"}],
        "generalPractitioner":[{"identifier":{
        "system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"A81001"}}]}"#;
    put(&pair.hospital, "una-there", una).await;
    put(&pair.practice, "una", una).await;
    let allergy = r#"{"resourceType":"AllergyIntolerance","code":{"text":"Penicillin"},
        "patient":{"reference":"Patient/una"}}"#;
    put(&pair.practice, "allergy", allergy).await;
    let who = Who::Staff {
        account: 1,
        name: "Nura Nurse".into(),
        role: Role::Clinician,
        organisation: pair.hospital.organisation().clone(),
    };
    let caller = Caller::new(who, "r".into());
    let now = pair.hospital.store().now();
    let purpose = Purpose::DirectCare;
    let scope = access::decide(&caller, Interaction::Ask, "Patient", purpose, now).unwrap();
    let person = Person {
        name: "Nura Nurse".into(),
        role: Role::Clinician,
    };
    let asked = pair.hospital.shared_record(&scope, "una-there", person);
    let shared = asked.await.unwrap();
    assert_eq!(shared.sources.len(), 1);
    assert_eq!(shared.sources[0].state, SourceState::Answered);
    assert_eq!(shared.items[0].resource["code"]["text"], "Penicillin");
    pair.stop.send(true).unwrap();
}
