use std::sync::Arc;

use access::{Caller, Interaction, Purpose, Role, Scope, SystemPurpose, Who};
use axum::body::Body;
use exchange::Exchange;
use exchange::ask::{Person, SourceState};
use fhir::json::{Limits, parse};
use http::header::AUTHORIZATION;
use http::{Request, StatusCode};
use serde_json::Value;
use store::accounts::{Holder, NewAccount};
use store::{Change, Expect, Job, Prepared, Release, Store};

use tower::ServiceExt;
use web::secret::Secret;
use web::{Node, Site};

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
        "clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical","code":"active"}]},
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
        role: Some(Role::Clinician),
    };
    let asked = pair.hospital.shared_record(&scope, "una-there", person);
    let shared = asked.await.unwrap();
    assert_eq!(shared.sources.len(), 1);
    assert_eq!(shared.sources[0].state, SourceState::Answered);
    assert_eq!(shared.items[0].resource["code"]["text"], "Penicillin");
    at_the_fhir_door(&pair).await;
    pair.stop.send(true).unwrap();
}

/// A token of somebody with that role.
async fn token(store: &Store, role: Role) -> String {
    let account = NewAccount {
        login: role.code().into(),
        name: "Nura Nurse".into(),
        holder: Holder::Staff {
            role,
            organisation: store.organisation().clone(),
        },
        password_hash: None,
    };
    let account = store.open_account(account).await.unwrap();
    let secret = Secret::random();
    let added = store.add_token(secret.digest(), account, "test").await;
    added.unwrap();
    secret.reveal().to_string()
}

/// The same, asked by an app in a clinician's name, over FHIR.
async fn at_the_fhir_door(pair: &Pair) {
    let site = Site {
        organisation: pair.hospital.organisation().clone(),
        name: "Hospital".into(),
        roles: Vec::new(),
        base_url: "http://127.0.0.1:8080".into(),
        look: Arc::default(),
    };
    let mut node = Node::new(pair.hospital.store().clone(), site);
    node.exchange = Some(pair.hospital.clone());
    let router = web::router(Arc::new(node));
    let asked = async |role: Role, patient: &str| {
        let token = token(pair.hospital.store(), role).await;
        let request = Request::get(format!("/fhir/Patient/{patient}/$shared-record"))
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .body(Body::empty())
            .unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let bytes = axum::body::to_bytes(answer.into_body(), 1 << 20).await;
        let body: Value = serde_json::from_slice(&bytes.unwrap()).unwrap();
        (status, body)
    };
    let (status, bundle) = asked(Role::Clinician, "una-there").await;
    assert_eq!(status, StatusCode::OK, "{bundle}");
    let text = bundle.to_string();
    let json = parse(text.as_bytes(), &Limits::default()).unwrap();
    let definitions = fhir::definitions::Definitions::r4();
    assert_eq!(fhir::validate::validate(&json, definitions), Ok(()));
    let [allergy, outcome] = bundle["entry"].as_array().unwrap().as_slice() else {
        panic!("{bundle}")
    };
    let allergy = &allergy["resource"];
    assert_eq!(allergy["patient"]["reference"], "Patient/una-there");
    assert_eq!(allergy["meta"]["tag"][0]["code"], "A81001");
    let told = outcome["resource"]["issue"][0]["diagnostics"].as_str();
    assert!(told.unwrap().contains("A81001 answered"), "{bundle}");
    // A stranger's, and one who is nobody's.
    assert_eq!(
        asked(Role::Clinician, "nobody").await.0,
        StatusCode::NOT_FOUND
    );
    // No person, no question: a system has no name to ask in.
    for role in [Role::Engineer, Role::System] {
        assert_eq!(asked(role, "una-there").await.0, StatusCode::FORBIDDEN);
    }
}
