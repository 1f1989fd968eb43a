//! What is there without a value to be searched by is not missing, and a unit is found by its code and by
//! its text (<https://hl7.org/fhir/R4/search.html#quantity>); what an older version of the node indexed
//! without either is indexed anew.

use std::time::Duration;

use fhir::Problem;
use fhir::problem::Kind;
use fhir::search::{Limits, Search};
use store::Store;
use store::testing::on_each_database;

use crate::people::{commit, put, system};

const PULSE: &str = r#"{"resourceType":"Observation","status":"final","code":{"text":"Pulse"},"subject":{"display":"Somebody"},"valueQuantity":{"value":72,"unit":"beats/minute","system":"http://unitsofmeasure.org","code":"/min"}}"#;

fn asked(store: &Store, text: &str) -> Result<Search, Problem> {
    let (name, value) = text.split_once('=').unwrap();
    let pairs = [(name.to_string(), value.to_string())];
    let registry = store.registry();
    Search::parse_with(&registry, "Observation", &pairs, "", &Limits::default())
}

async fn found(store: &Store, text: &str) -> String {
    let search = asked(store, text).unwrap_or_else(|problem| panic!("{text}: {problem:?}"));
    let page = store.search(&system(), &search).await.unwrap();
    let ids: Vec<String> = page.entries.into_iter().map(|it| it.id).collect();
    ids.join(" ")
}

#[test]
fn what_is_there_with_nothing_to_be_searched_by_is_not_missing() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let seen = |id: &str, code: &str, rest: &str| {
            let text =
                format!(r#"{{"resourceType":"Observation","status":"final","code":{code}{rest}}}"#);
            put(&text, id)
        };
        let coded = r#"{"coding":[{"system":"urn:s","code":"c"}]}"#;
        let of = |subject: &str| format!(r#","subject":{subject}"#);
        let contained =
            r##","contained":[{"resourceType":"Patient","id":"p"}],"subject":{"reference":"#p"}"##;
        let numbered = of(r#"{"identifier":{"system":"urn:mrn","value":"7"}}"#);
        let changes = vec![
            seen("named", coded, &of(r#"{"reference":"Patient/p"}"#)),
            seen("numbered", coded, &numbered),
            seen("shown", coded, &of(r#"{"display":"Somebody"}"#)),
            seen("contained", coded, contained),
            seen("nobody", coded, ""),
            seen(
                "worded",
                r#"{"text":"Pulse"}"#,
                r#","valueCodeableConcept":{"text":"strong"}"#,
            ),
        ];
        commit(&store, changes).await.unwrap();
        for (text, expected) in [
            ("subject:missing=true", "nobody worded"),
            ("subject:missing=false", "named numbered shown contained"),
            (
                "subject:missing=true,false",
                "named numbered shown contained nobody worded",
            ),
            ("code:missing=true", ""),
            (
                "code:missing=false",
                "named numbered shown contained nobody worded",
            ),
            ("value-concept:missing=false", "worded"),
            ("value-quantity:missing=false", ""),
            ("_filter=subject pr false", "nobody worded"),
            ("_filter=not (subject pr true)", "nobody worded"),
            ("subject=Patient/p", "named"),
        ] {
            assert_eq!(found(&store, text).await, expected, "{text}");
        }
        // With its value the mark goes as well, and comes back.
        let changes = vec![
            seen("worded", coded, ""),
            seen("named", coded, &of(r#"{"display":"Somebody"}"#)),
        ];
        commit(&store, changes).await.unwrap();
        assert_eq!(found(&store, "value-concept:missing=false").await, "");
        assert_eq!(found(&store, "subject=Patient/p").await, "");
        assert_eq!(found(&store, "subject:missing=true").await, "nobody worded");
        store.close().await;
    });
}

#[test]
fn a_unit_is_found_by_its_code_and_by_its_text_where_no_system_is_asked_for() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let bare = PULSE.replace(r#","system":"http://unitsofmeasure.org","code":"/min""#, "");
        let coded = PULSE.replace(
            r#"{"text":"Pulse"}"#,
            r#"{"coding":[{"system":"urn:s","code":"c"}]}"#,
        );
        let changes = vec![
            put(PULSE, "pulse"),
            put(&bare, "bare"),
            put(&coded, "coded"),
        ];
        commit(&store, changes).await.unwrap();
        for (text, expected) in [
            ("value-quantity=72||beats/minute", "pulse bare coded"),
            ("value-quantity=72||/min", "pulse coded"),
            ("value-quantity=gt71||beats/minute", "pulse bare coded"),
            ("value-quantity=73||beats/minute", ""),
            ("value-quantity=72||beats", ""),
            (
                "value-quantity=72|http://unitsofmeasure.org|/min",
                "pulse coded",
            ),
            (
                "value-quantity=72|http://unitsofmeasure.org|beats/minute",
                "",
            ),
            ("value-quantity=72", "pulse bare coded"),
            ("code-value-quantity=c$72||beats/minute", "coded"),
            ("code-value-quantity=c$72||/min", "coded"),
        ] {
            assert_eq!(found(&store, text).await, expected, "{text}");
        }
        store.close().await;
    });
}

#[test]
fn what_an_older_version_indexed_is_not_searched_short_until_it_is_indexed_anew() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        commit(&store, vec![put(PULSE, "pulse")]).await.unwrap();
        store.close().await;
        // As the version before this left it.
        for statement in [
            "UPDATE counter SET next = 3 WHERE name = 'extraction'",
            "DELETE FROM ix_quantity WHERE code = 'beats/minute'",
            "DELETE FROM ix_token WHERE param IN (SELECT id FROM word WHERE text LIKE '%#there')",
        ] {
            ground.execute(statement).await;
        }
        let store = ground.open().await;
        let richer = [
            ("value-quantity=72||beats/minute", "pulse"),
            ("subject:missing=false", "pulse"),
            ("code:missing=true", ""),
        ];
        for (text, _) in richer {
            let refused = asked(&store, text).unwrap_err();
            assert_eq!(refused.kind, Kind::Transient, "{text}");
        }
        assert_eq!(found(&store, "value-quantity=72").await, "pulse");
        for _ in 0..600 {
            if !store.registry().is_behind() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for (text, expected) in richer {
            assert_eq!(found(&store, text).await, expected, "{text}");
        }
        store.close().await;
    });
}
