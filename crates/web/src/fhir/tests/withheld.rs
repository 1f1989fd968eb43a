//! What is withheld is named to those who care for the patient, and to nobody else.

use access::{Scope, SystemPurpose};
use http::StatusCode;
use store::care::CareWrite;
use store::testing::on_each_database;
use store::{AuditFilter, Effect, Job};

use super::{Client, JANE, node};
use crate::node::Node;

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

/// What the caller can tell two answers apart by, but for the id that they asked for.
fn told(answer: &super::Answer, id: &str) -> (StatusCode, Vec<(String, String)>, String) {
    let each_its_own = ["date", "x-request-id"];
    let headers = answer.headers.iter();
    let headers = headers.filter(|(name, _)| !each_its_own.contains(&name.as_str()));
    let mut headers: Vec<_> = headers
        .map(|(name, value)| {
            let value = value.to_str().unwrap().replace(id, "ID");
            (name.to_string(), value)
        })
        .collect();
    headers.sort();
    (answer.status, headers, answer.text().replace(id, "ID"))
}

fn with_id(id: &str) -> String {
    OPEN.replacen('{', &format!(r#"{{"id":"{id}","#), 1)
}

/// Every way to write to that id, and to look at it.
async fn asked(bo: &Client, id: &str) -> Vec<super::Answer> {
    let bundle = |kind: &str, id: &str, request: &str| {
        format!(
            r#"{{"resourceType":"Bundle","type":"{kind}","entry":[{{"resource":{},"request":{request}}}]}}"#,
            with_id(id)
        )
    };
    let patch = r#"[{"op":"replace","path":"/code/text","value":"Eggs"}]"#;
    let json = ("content-type", "application/fhir+json");
    let json_patch = ("content-type", "application/json-patch+json");
    let path = format!("/AllergyIntolerance/{id}");
    let by_identifier = "/AllergyIntolerance?identifier=urn:x|none".to_string();
    let put = format!(r#"{{"method":"PUT","url":"AllergyIntolerance/{id}"}}"#);
    let put_new =
        format!(r#"{{"method":"PUT","url":"AllergyIntolerance/{id}","ifNoneMatch":"*"}}"#);
    let put_match =
        format!(r#"{{"method":"PUT","url":"AllergyIntolerance/{id}","ifMatch":"W/\"1\""}}"#);
    let body = with_id(id);
    vec![
        bo.send("PUT", &path, &[json], &body).await,
        bo.send("PUT", &path, &[json, ("if-match", "W/\"1\"")], &body)
            .await,
        bo.send("PUT", &path, &[json, ("if-match", "W/\"7\"")], &body)
            .await,
        bo.send("PUT", &path, &[json, ("if-none-match", "*")], &body)
            .await,
        bo.send("PUT", &by_identifier, &[json], &body).await,
        bo.send("PATCH", &path, &[json_patch], patch).await,
        bo.send(
            "PATCH",
            &path,
            &[json_patch, ("if-match", "W/\"1\"")],
            patch,
        )
        .await,
        bo.send("DELETE", &path, &[], "").await,
        bo.send("DELETE", &path, &[("if-match", "W/\"1\"")], "")
            .await,
        bo.send("GET", &path, &[], "").await,
        bo.send("GET", &format!("{path}/_history"), &[], "").await,
        bo.send("GET", &format!("{path}/_history/1"), &[], "").await,
        bo.send("POST", "", &[json], &bundle("transaction", id, &put))
            .await,
        bo.send("POST", "", &[json], &bundle("transaction", id, &put_new))
            .await,
        bo.send("POST", "", &[json], &bundle("transaction", id, &put_match))
            .await,
        bo.send("POST", "", &[json], &bundle("batch", id, &put))
            .await,
    ]
}

#[test]
fn p12_a_write_to_what_is_locked_answers_as_one_to_what_is_not_there() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        bo.put("/Patient/jane", JANE).await;
        let locked = |id: &str| {
            let sealed = sealed("sealed-and-locked");
            sealed.replacen('{', &format!(r#"{{"id":"{id}","#), 1)
        };
        let made = bo
            .put("/AllergyIntolerance/locked1", &locked("locked1"))
            .await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        ground.clock().advance(2_000);
        let mut pair = Vec::new();
        for id in ["locked1", "absent1"] {
            let answers = asked(&bo, id).await;
            pair.push(answers.iter().map(|it| told(it, id)).collect::<Vec<_>>());
        }
        for (number, (hidden, absent)) in pair[0].iter().zip(&pair[1]).enumerate() {
            assert_eq!(hidden, absent, "question {number}");
        }
        assert_eq!(pair[0][0].0, StatusCode::NOT_FOUND, "{}", pair[0][0].2);
        // Nothing of it was overwritten, and nothing came to be beside it.
        crate::testing::join(&node.store, "bo", "gum").await;
        ground.clock().advance(2_000);
        let kept = bo.get("/AllergyIntolerance/locked1").await;
        assert_eq!(kept.json()["code"]["text"], "Latex");
        assert_eq!(kept.json()["meta"]["versionId"], "1");
        let absent = bo.get("/AllergyIntolerance/absent1").await;
        assert_eq!(absent.status, StatusCode::NOT_FOUND);
        // What is there is changed by who sees it, and created without a chosen id.
        let jane = bo.put("/Patient/jane", JANE).await;
        assert_eq!(jane.status, StatusCode::OK, "{}", jane.text());
        let made = bo.post("/AllergyIntolerance", OPEN).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        // The organisation's own systems choose ids all the same, and overwrite nothing either.
        let system = Client::system(&node).await;
        let made = system
            .put("/AllergyIntolerance/own1", &with_id("own1"))
            .await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        let path = "/AllergyIntolerance/locked1";
        let refused = system.put(path, &with_id("locked1")).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND);
    });
}

/// The lines that each request of `asked` left, by what came of it; but for the search of a condition,
/// which is a look of its own.
async fn traced(node: &Node, answers: &[super::Answer]) -> Vec<Vec<String>> {
    let filter = AuditFilter {
        count: 1000,
        ..AuditFilter::default()
    };
    let scope = Scope::system(SystemPurpose::Measure);
    let page = node.store.audit_page(&scope, &filter).await.unwrap();
    let of = |answer: &super::Answer| {
        let id = answer.headers["x-request-id"].to_str().unwrap().to_owned();
        let lines = page.entries.iter();
        let lines = lines.filter(move |it| *it.request_id == *id && it.target.query.is_none());
        lines.map(|it| it.outcome.code().to_owned()).collect()
    };
    answers.iter().map(of).collect()
}

#[test]
fn p28_each_write_to_what_is_hidden_or_absent_leaves_one_line() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let bo = Client::of(&node, "bo").await;
        bo.put("/Patient/jane", JANE).await;
        let sealed = sealed("sealed-and-locked");
        let locked = sealed.replacen('{', r#"{"id":"locked1","#, 1);
        let made = bo.put("/AllergyIntolerance/locked1", &locked).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        ground.clock().advance(2_000);
        for (id, outcome) in [("locked1", "withheld"), ("absent1", "absent")] {
            let answers = asked(&bo, id).await;
            let traced = traced(&node, &answers).await;
            for (number, (answer, lines)) in answers.iter().zip(&traced).enumerate() {
                let told = format!("question {number} of {id}: {}: {lines:?}", answer.status);
                assert_eq!(lines, &[outcome], "{told}");
            }
        }
    });
}
