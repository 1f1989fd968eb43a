//! Every modifier on every type of search parameter
//! (<https://hl7.org/fhir/R4/search.html#modifiers>): the right answer, or a refusal where it does not
//! apply.

use fhir::problem::Kind;
use fhir::search::{Limits, Search};
use store::Store;
use store::testing::on_each_database;

use crate::people::{commit, put, system};

const ANIMALS: &str = r#"{"resourceType":"CodeSystem","url":"urn:animals","version":"1","status":"active","content":"complete",
  "valueSet":"urn:all-animals","concept":[{"code":"animal","display":"Animal","concept":[{"code":"dog","display":"Dog"},{"code":"hen","display":"Hen"}]}]}"#;

/// The ids of what is found, sorted, or why it was refused.
async fn asked(store: &Store, ty: &str, name: &str, value: &str) -> Result<String, Kind> {
    let query = [(name.to_string(), value.to_string())];
    let search = Search::parse(ty, &query, "https://gp.example/fhir", &Limits::default());
    let page = store
        .search(&system(), &search.map_err(|it| it.kind)?)
        .await;
    let page = page.map_err(|problem| problem.kind)?;
    let mut ids: Vec<String> = page.entries.into_iter().map(|it| it.id).collect();
    ids.sort_unstable();
    Ok(ids.join(" "))
}

async fn filled(store: &Store) {
    let seen = |id: &str, code: &str, rest: &str| {
        let text = format!(
            r#"{{"resourceType":"Observation","status":"final","code":{{"coding":[{{"system":"urn:animals","code":"{code}","display":"The {code}"}}]}}{rest}}}"#
        );
        put(&text, id)
    };
    let seen_dog = r#","subject":{"reference":"Patient/p","identifier":{"system":"urn:mrn","value":"7"}},"effectiveDateTime":"2024-05-06","valueQuantity":{"value":5,"system":"http://unitsofmeasure.org","code":"kg"},"identifier":[{"type":{"coding":[{"system":"urn:types","code":"MR"}]},"system":"urn:mrn","value":"11"}]"#;
    let seen_hen = r#","subject":{"reference":"Group/g"}"#;
    let url = |id: &str, url: &str| {
        let text = format!(r#"{{"resourceType":"ValueSet","status":"active","url":"{url}"}}"#);
        put(&text, id)
    };
    let risk = r#"{"resourceType":"RiskAssessment","status":"final","subject":{"reference":"Patient/p"},"prediction":[{"probabilityDecimal":0.5}]}"#;
    let at = r#"{"resourceType":"Location","position":{"latitude":53.8,"longitude":-1.54}}"#;
    let changes = vec![
        put(ANIMALS, "animals"),
        put(
            r#"{"resourceType":"Patient","name":[{"family":"O'Brien-Smith"}]}"#,
            "p",
        ),
        put(
            r#"{"resourceType":"Patient","name":[{"given":["Only"]}]}"#,
            "q",
        ),
        seen("dog", "dog", seen_dog),
        seen("hen", "hen", seen_hen),
        seen("animal", "animal", ""),
        url("a", "http://example.org/fhir/a"),
        url("b", "http://example.org/fhir/a/b"),
        put(r#"{"resourceType":"ValueSet","status":"active"}"#, "none"),
        put(risk, "risk"),
        put(
            r#"{"resourceType":"RiskAssessment","status":"final","subject":{"reference":"Patient/p"}}"#,
            "norisk",
        ),
        put(at, "leeds"),
        put(r#"{"resourceType":"Location","name":"Nowhere"}"#, "nowhere"),
    ];
    commit(store, changes).await.unwrap();
}

/// A parameter's type, the resource type, its code, a plain value, and for each modifier that applies
/// a value and what is found.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str, &'static str)],
);

const MODIFIERS: [&str; 12] = [
    "missing",
    "exact",
    "contains",
    "text",
    "not",
    "in",
    "not-in",
    "above",
    "below",
    "of-type",
    "identifier",
    "Patient",
];

const ROWS: &[Row] = &[
    (
        "token",
        "Observation",
        "code",
        "urn:animals|dog",
        &[
            ("missing", "true", ""),
            ("missing", "false", "animal dog hen"),
            ("text", "the D", "dog"),
            ("not", "urn:animals|dog", "animal hen"),
            ("in", "urn:all-animals", "animal dog hen"),
            ("not-in", "urn:all-animals", ""),
            ("above", "urn:animals|dog", "animal dog"),
            ("below", "urn:animals|animal", "animal dog hen"),
            ("of-type", "urn:types|MR|11", ""),
        ],
    ),
    (
        "token",
        "Observation",
        "identifier",
        "urn:mrn|11",
        &[
            ("missing", "true", "animal hen"),
            ("text", "x", ""),
            ("not", "urn:mrn|11", "animal hen"),
            ("in", "urn:all-animals", ""),
            ("not-in", "urn:all-animals", "animal dog hen"),
            ("above", "urn:animals|dog", ""),
            ("below", "urn:animals|animal", ""),
            ("of-type", "urn:types|MR|11", "dog"),
        ],
    ),
    (
        "string",
        "Patient",
        "family",
        "o'b",
        &[
            ("missing", "true", "q"),
            ("missing", "false", "p"),
            ("exact", "O'Brien-Smith", "p"),
            ("exact", "o'brien-smith", ""),
            ("contains", "smith", "p"),
        ],
    ),
    (
        "reference",
        "Observation",
        "subject",
        "Patient/p",
        &[
            ("missing", "true", "animal"),
            ("missing", "false", "dog hen"),
            ("identifier", "urn:mrn|7", "dog"),
            ("Patient", "p", "dog"),
        ],
    ),
    (
        "date",
        "Observation",
        "date",
        "2024-05",
        &[
            ("missing", "true", "animal hen"),
            ("missing", "false", "dog"),
        ],
    ),
    (
        "quantity",
        "Observation",
        "value-quantity",
        "5|http://unitsofmeasure.org|kg",
        &[
            ("missing", "true", "animal hen"),
            ("missing", "false", "dog"),
        ],
    ),
    (
        "number",
        "RiskAssessment",
        "probability",
        "0.5",
        &[("missing", "true", "norisk"), ("missing", "false", "risk")],
    ),
    (
        "uri",
        "ValueSet",
        "url",
        "http://example.org/fhir/a",
        &[
            ("missing", "true", "none"),
            ("missing", "false", "a b"),
            ("above", "http://example.org/fhir/a/b", "a b"),
            ("below", "http://example.org/fhir/a", "a b"),
        ],
    ),
    (
        "composite",
        "Observation",
        "code-value-quantity",
        "urn:animals|dog$5",
        &[
            ("missing", "true", "animal hen"),
            ("missing", "false", "dog"),
        ],
    ),
    (
        "special",
        "Location",
        "near",
        "53.8|-1.55|2|km",
        &[
            ("missing", "true", "nowhere"),
            ("missing", "false", "leeds"),
        ],
    ),
];

#[test]
fn each_modifier_finds_what_it_should_or_is_refused_where_it_does_not_apply() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        filled(&store).await;
        for (kind, ty, code, plain, applies) in ROWS {
            let found = asked(&store, ty, code, plain).await.unwrap();
            assert!(
                !found.is_empty() && !found.contains(' '),
                "{kind} {code}: {found}"
            );
            for modifier in MODIFIERS {
                let name = format!("{code}:{modifier}");
                let mut is_applied = false;
                for (_, value, expected) in applies.iter().filter(|it| it.0 == modifier) {
                    is_applied = true;
                    let found = asked(&store, ty, &name, value).await;
                    assert_eq!(found.as_deref(), Ok(*expected), "{kind} {name}={value}");
                }
                if !is_applied {
                    let refused = asked(&store, ty, &name, plain).await;
                    assert_eq!(refused, Err(Kind::NotSupported), "{kind} {name}={plain}");
                }
            }
            let unheard = asked(&store, ty, &format!("{code}:frobnicate"), plain).await;
            assert_eq!(unheard, Err(Kind::NotSupported), "{kind} {code}");
            let wrong = asked(&store, ty, &format!("{code}:missing"), "perhaps").await;
            assert_eq!(wrong, Err(Kind::Value), "{kind} {code}");
        }
    });
}
