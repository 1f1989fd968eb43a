//! What is withheld is named to those who care for the patient, and to nobody else.

use http::StatusCode;
use store::care::CareWrite;
use store::testing::on_each_database;
use store::{Effect, Job};

use super::{Client, JANE, node};

fn sealed(seal: &str) -> String {
    format!(
        r#"{{"resourceType":"AllergyIntolerance","meta":{{"security":[{{"system":"urn:handover:seal","code":"{seal}"}},{{"system":"urn:handover:workgroup","code":"gum"}}]}},"clinicalStatus":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical","code":"active"}}]}},"patient":{{"reference":"Patient/jane"}},"code":{{"text":"Latex"}}}}"#
    )
}

const OPEN: &str = r#"{"resourceType":"AllergyIntolerance","clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical","code":"active"}]},"patient":{"reference":"Patient/jane"},"code":{"text":"Nuts"}}"#;

/// What the outcome beside the matches says, and how many matches there are.
async fn found(client: &Client) -> (usize, Option<String>) {
    let answer = client.get("/AllergyIntolerance?patient=Patient/jane").await;
    assert_eq!(answer.status, StatusCode::OK);
    let bundle = answer.json();
    let nothing = Vec::new();
    let entries = bundle["entry"].as_array().unwrap_or(&nothing);
    let is_match = |entry: &&serde_json::Value| entry["search"]["mode"] == "match";
    let outcome = entries.iter().find(|it| it["search"]["mode"] == "outcome");
    let said = outcome.map(|it| {
        let issue = &it["resource"]["issue"][0];
        assert_eq!(issue["code"], "suppressed");
        issue["diagnostics"].as_str().unwrap().to_string()
    });
    (entries.iter().filter(is_match).count(), said)
}

#[test]
fn p01_allergies_withheld_do_not_look_like_no_allergies() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        bo.put("/Patient/jane", JANE).await;
        assert_eq!(found(&bo).await, (0, None));
        let made = bo.post("/AllergyIntolerance", OPEN).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        assert_eq!(found(&bo).await, (1, None));
        let dissent = CareWrite::Dissent {
            patient: "jane".into(),
            organisation: "A81001".into(),
            types: vec!["AllergyIntolerance".into()],
            consent: "c".into(),
            starts_at: node.store.now(),
            ends_at: i64::MAX,
        };
        let scope = access::Scope::system(access::SystemPurpose::Measure);
        let job = Job::effect(Effect::Care(dissent));
        node.store.commit(&scope, job).await.unwrap();
        let (matches, said) = found(&bo).await;
        assert_eq!(matches, 0);
        let said = said.unwrap();
        assert!(said.contains("1 item"), "{said}");
        assert!(said.contains("emergency access is possible"), "{said}");
    });
}

#[test]
fn p11_a_search_tells_that_sealed_items_exist_and_p12_nothing_of_locked_ones() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        bo.put("/Patient/jane", JANE).await;
        let locked = bo
            .post("/AllergyIntolerance", &sealed("sealed-and-locked"))
            .await;
        assert_eq!(locked.status, StatusCode::CREATED, "{}", locked.text());
        assert_eq!(found(&bo).await, (0, None));
        bo.post("/AllergyIntolerance", &sealed("sealed")).await;
        // What is known of the account is remembered for two seconds.
        ground.clock().advance(2_000);
        let (matches, said) = found(&bo).await;
        assert_eq!((matches, said.as_deref()), (0, Some("Sealed items exist.")));
    });
}
