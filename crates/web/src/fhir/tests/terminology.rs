//! The terminology operations, as clients ask them.

use http::StatusCode;
use serde_json::{Value, json};
use store::testing::on_each_database;

use super::{Answer, Client, node};

const ANIMALS: &str = r#"{"resourceType":"CodeSystem","id":"animals","url":"urn:animals","version":"1","name":"Animals","status":"active","content":"complete","valueSet":"urn:animals:all","concept":[
  {"code":"dog","display":"Dog","definition":"Barks.","designation":[{"language":"cy","value":"Ci"}],"property":[{"code":"legs","valueInteger":4}],"concept":[{"code":"terrier","display":"Terrier dog"}]},
  {"code":"hen","display":"Hen"},{"code":"dodo","display":"Dodo","property":[{"code":"inactive","valueBoolean":true}]}]}"#;
const DOGS: &str = r#"{"resourceType":"ValueSet","id":"dogs","url":"urn:dogs","version":"2","status":"active","compose":{"include":[{"system":"urn:animals","filter":[{"property":"concept","op":"is-a","value":"dog"}]}]}}"#;
const MAP: &str = r#"{"resourceType":"ConceptMap","id":"map","url":"urn:map","status":"active","group":[{"source":"urn:animals","target":"urn:sounds","element":[{"code":"dog","target":[{"code":"woof","display":"Woof","equivalence":"relatedto"}]}]}]}"#;

/// The values of a Parameters by name.
fn value(answer: &Answer, name: &str) -> Value {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let json = answer.json();
    let all = json["parameter"].as_array().unwrap();
    let found = all.iter().find(|it| it["name"] == name);
    let Some(found) = found.and_then(Value::as_object) else {
        return Value::Null;
    };
    found
        .iter()
        .find(|(name, _)| name.starts_with("value"))
        .map_or(Value::Null, |(_, value)| value.clone())
}

fn codes(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let json = answer.json();
    let contains = json["expansion"]["contains"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    contains
        .iter()
        .map(|it| it["code"].as_str().unwrap().to_string())
        .collect()
}

async fn ready(ground: &store::testing::Ground) -> Client {
    let node = node(ground).await;
    let client = Client::of(&node, "bo").await;
    for (path, body) in [
        ("/CodeSystem/animals", ANIMALS),
        ("/ValueSet/dogs", DOGS),
        ("/ConceptMap/map", MAP),
    ] {
        assert_eq!(client.put(path, body).await.status, StatusCode::CREATED);
    }
    client
}

#[test]
fn expand_answers_by_get_and_post_on_the_type_and_on_one() {
    on_each_database(async |ground| {
        let client = ready(ground).await;
        let dogs = ["dog", "terrier"];
        assert_eq!(
            codes(&client.get("/ValueSet/$expand?url=urn:dogs").await),
            dogs
        );
        assert_eq!(
            codes(
                &client
                    .get("/ValueSet/$expand?url=urn:dogs&valueSetVersion=2")
                    .await
            ),
            dogs
        );
        assert_eq!(codes(&client.get("/ValueSet/dogs/$expand").await), dogs);
        let body = json!({"resourceType":"Parameters","parameter":[{"name":"url","valueUri":"urn:dogs"},{"name":"count","valueInteger":1},{"name":"offset","valueInteger":1}]});
        assert_eq!(
            codes(&client.post("/ValueSet/$expand", &body.to_string()).await),
            ["terrier"]
        );
        let set: Value = serde_json::from_str(DOGS).unwrap();
        let body = json!({"resourceType":"Parameters","parameter":[{"name":"valueSet","resource":set},{"name":"filter","valueString":"ter"}]});
        assert_eq!(
            codes(&client.post("/ValueSet/$expand", &body.to_string()).await),
            ["terrier"]
        );
        let body = json!({"resourceType":"Parameters","parameter":[{"name":"activeOnly","valueBoolean":true}]});
        assert_eq!(
            codes(
                &client
                    .post("/ValueSet/dogs/$expand", &body.to_string())
                    .await
            ),
            dogs
        );
        let found = client.get("/ValueSet/$expand?url=urn:animals:all&activeOnly=true&includeDesignations=true&displayLanguage=cy&count=2").await;
        let json = found.json();
        assert_eq!(json["expansion"]["total"], 3);
        assert_eq!(json["expansion"]["contains"][0]["display"], "Ci");
        assert_eq!(
            json["expansion"]["contains"][0]["designation"][0]["value"],
            "Ci"
        );
        let gender = "/ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/administrative-gender";
        assert_eq!(codes(&client.get(gender).await).len(), 4);
    });
}

#[test]
fn expand_refuses_with_the_reason() {
    on_each_database(async |ground| {
        let client = ready(ground).await;
        for (path, status, code) in [
            ("/ValueSet/$expand", StatusCode::BAD_REQUEST, "required"),
            (
                "/ValueSet/$expand?url=urn:nowhere",
                StatusCode::NOT_FOUND,
                "not-found",
            ),
            (
                "/ValueSet/$expand?url=urn:dogs|3",
                StatusCode::NOT_FOUND,
                "not-found",
            ),
            (
                "/ValueSet/nobody/$expand",
                StatusCode::NOT_FOUND,
                "not-found",
            ),
            (
                "/ValueSet/dogs/$expand?url=urn:dogs",
                StatusCode::BAD_REQUEST,
                "value",
            ),
            (
                "/ValueSet/$expand?url=urn:dogs&count=many",
                StatusCode::BAD_REQUEST,
                "value",
            ),
            (
                "/ValueSet/$expand?url=urn:dogs&offset=-1",
                StatusCode::BAD_REQUEST,
                "value",
            ),
            (
                "/ValueSet/$expand?url=urn:dogs&activeOnly=yes",
                StatusCode::BAD_REQUEST,
                "value",
            ),
            (
                "/ValueSet/$expand?url=urn:dogs&url=urn:dogs",
                StatusCode::BAD_REQUEST,
                "value",
            ),
            (
                "/ValueSet/$expand?url=urn:dogs&context=x",
                StatusCode::BAD_REQUEST,
                "not-supported",
            ),
            (
                "/ValueSet/$expand?url=urn:dogs&count=20000",
                StatusCode::UNPROCESSABLE_ENTITY,
                "too-costly",
            ),
            (
                "/ValueSet/$expand?url=http://snomed.info/sct?fhir_vs",
                StatusCode::NOT_FOUND,
                "not-found",
            ),
        ] {
            let answer = client.get(path).await;
            assert_eq!(
                (answer.status, answer.issue().0.as_str()),
                (status, code),
                "{path}"
            );
        }
        let body = r#"{"resourceType":"Parameters","parameter":[{"name":"valueSet","resource":{"resourceType":"ValueSet","status":"active","compose":{"include":[{"system":"urn:animals","filter":[{"property":"concept","op":"=","value":"x"}]},{"concept":[{"code":"dog"}]}]}}}]}"#;
        let answer = client.post("/ValueSet/$expand", body).await;
        let (code, place) = answer.issue();
        assert_eq!(code, "invariant");
        assert!(place.ends_with("compose.include[1]"), "{place}");
        assert!(
            client
                .post("/ValueSet/$expand", "[")
                .await
                .status
                .is_client_error()
        );
        assert!(
            client
                .post("/ValueSet/$expand", DOGS)
                .await
                .status
                .is_client_error()
        );
    });
}

#[test]
fn validate_code_tells_whether_and_why_not() {
    on_each_database(async |ground| {
        let client = ready(ground).await;
        let ask = async |path: &str| client.get(path).await;
        let found =
            ask("/ValueSet/$validate-code?url=urn:dogs&code=terrier&system=urn:animals").await;
        assert_eq!(
            (value(&found, "result"), value(&found, "display")),
            (true.into(), "Terrier dog".into())
        );
        let found = ask("/ValueSet/dogs/$validate-code?code=hen&system=urn:animals").await;
        assert_eq!(value(&found, "result"), false);
        assert!(value(&found, "message").as_str().unwrap().contains("hen"));
        let found = ask("/ValueSet/$validate-code?url=urn:dogs&code=dog&display=Cat").await;
        assert_eq!(value(&found, "result"), false);
        let found = ask("/CodeSystem/$validate-code?url=urn:animals&code=hen").await;
        assert_eq!(value(&found, "result"), true);
        let found = ask("/CodeSystem/animals/$validate-code?code=cow").await;
        assert_eq!(value(&found, "result"), false);
        let body = json!({"resourceType":"Parameters","parameter":[{"name":"url","valueUri":"urn:dogs"},
            {"name":"codeableConcept","valueCodeableConcept":{"coding":[{"system":"urn:x","code":"1"},{"system":"urn:animals","code":"dog"}]}}]});
        let found = client
            .post("/ValueSet/$validate-code", &body.to_string())
            .await;
        assert_eq!(value(&found, "result"), true);
        let body = json!({"resourceType":"Parameters","parameter":[{"name":"coding","valueCoding":{"system":"urn:x","code":"dog"}}]});
        let found = client
            .post("/CodeSystem/animals/$validate-code", &body.to_string())
            .await;
        assert_eq!(value(&found, "result"), false);
        assert_eq!(
            ask("/ValueSet/$validate-code?url=urn:dogs").await.issue().0,
            "required"
        );
        assert_eq!(
            ask("/CodeSystem/$validate-code?url=urn:no&code=x")
                .await
                .issue()
                .0,
            "not-found"
        );
    });
}

#[test]
fn lookup_tells_all_that_is_known_of_a_code() {
    on_each_database(async |ground| {
        let client = ready(ground).await;
        let found = client
            .get("/CodeSystem/$lookup?system=urn:animals&code=dog")
            .await;
        assert_eq!(
            (
                value(&found, "name"),
                value(&found, "version"),
                value(&found, "display")
            ),
            ("Animals".into(), "1".into(), "Dog".into())
        );
        let json = found.json();
        let properties = json["parameter"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|it| it["name"] == "property");
        let told: Vec<String> = properties
            .map(|it| it["part"][0]["valueCode"].as_str().unwrap().to_string())
            .collect();
        assert_eq!(told, ["child", "legs"]);
        let found = client.get("/CodeSystem/$lookup?system=urn:animals&code=terrier&property=parent&displayLanguage=cy").await;
        assert!(
            found.text().contains(r#""valueCode":"dog""#),
            "{}",
            found.text()
        );
        let body = json!({"resourceType":"Parameters","parameter":[{"name":"coding","valueCoding":{"system":"urn:animals","code":"dodo"}}]});
        let found = client.post("/CodeSystem/$lookup", &body.to_string()).await;
        assert!(found.text().contains(r#""valueBoolean":true"#));
        assert_eq!(
            client
                .get("/CodeSystem/$lookup?system=urn:animals&code=cow")
                .await
                .status,
            StatusCode::NOT_FOUND
        );
        assert_eq!(
            client.get("/CodeSystem/$lookup?code=cow").await.issue().0,
            "required"
        );
    });
}

#[test]
fn subsumes_and_translate_answer() {
    on_each_database(async |ground| {
        let client = ready(ground).await;
        let found = client
            .get("/CodeSystem/$subsumes?system=urn:animals&codeA=dog&codeB=terrier")
            .await;
        assert_eq!(value(&found, "outcome"), "subsumes");
        let found = client
            .get("/CodeSystem/animals/$subsumes?codeA=hen&codeB=terrier")
            .await;
        assert_eq!(value(&found, "outcome"), "not-subsumed");
        let body = json!({"resourceType":"Parameters","parameter":[{"name":"codingA","valueCoding":{"system":"urn:animals","code":"dog"}},{"name":"codingB","valueCoding":{"system":"urn:x","code":"dog"}}]});
        assert_eq!(
            client
                .post("/CodeSystem/$subsumes", &body.to_string())
                .await
                .issue()
                .0,
            "value"
        );
        let found = client
            .get("/ConceptMap/$translate?url=urn:map&system=urn:animals&code=dog")
            .await;
        assert_eq!(value(&found, "result"), true);
        assert!(
            found.text().contains(r#""code":"woof""#),
            "{}",
            found.text()
        );
        let found = client
            .get("/ConceptMap/map/$translate?system=urn:animals&code=hen")
            .await;
        assert_eq!(value(&found, "result"), false);
        let found = client
            .get("/ConceptMap/$translate?system=urn:sounds&code=woof&reverse=true")
            .await;
        assert!(found.text().contains(r#""code":"dog""#), "{}", found.text());
        assert_eq!(
            client
                .get("/ConceptMap/$translate?url=urn:no&code=dog")
                .await
                .status,
            StatusCode::NOT_FOUND
        );
    });
}

#[test]
fn patients_and_strangers_ask_no_terminology_and_staff_leave_a_line() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let staff = Client::of(&node, "bo").await;
        staff.put("/CodeSystem/animals", ANIMALS).await;
        let path = "/ValueSet/$expand?url=urn:animals:all";
        assert_eq!(staff.get(path).await.status, StatusCode::OK);
        let jane = Client::of(&node, "jane").await;
        assert_eq!(jane.get(path).await.status, StatusCode::FORBIDDEN);
        let stranger = Client {
            token: String::new(),
            ..staff.clone()
        };
        assert_eq!(stranger.get(path).await.status, StatusCode::UNAUTHORIZED);
        let scope = access::Scope::system(access::SystemPurpose::Measure);
        let log = node
            .store
            .audit_page(
                &scope,
                &store::AuditFilter {
                    count: 100,
                    ..store::AuditFilter::default()
                },
            )
            .await
            .unwrap();
        let lines = log
            .entries
            .iter()
            .filter(|line| line.interaction == "terminology");
        let outcomes: Vec<&str> = lines.map(|line| line.outcome.code()).collect();
        assert!(
            outcomes.contains(&"success") && outcomes.contains(&"refused"),
            "{outcomes:?}"
        );
    });
}

#[test]
fn a_code_system_that_is_above_itself_is_refused_whole() {
    on_each_database(async |ground| {
        let node = node(ground).await;
        let client = Client::of(&node, "bo").await;
        let ring = r#"{"resourceType":"CodeSystem","id":"ring","url":"urn:ring","status":"active","content":"complete","concept":[{"code":"a","property":[{"code":"parent","valueCode":"b"}]},{"code":"b","property":[{"code":"parent","valueCode":"a"}]}]}"#;
        let answer = client.put("/CodeSystem/ring", ring).await;
        assert_eq!(
            (answer.status, answer.issue().0.as_str()),
            (StatusCode::BAD_REQUEST, "invalid")
        );
        assert_eq!(
            client.get("/CodeSystem/ring").await.status,
            StatusCode::NOT_FOUND
        );
    });
}
