//! What a search finds.

use access::Scope;
use fhir::search::{Clause, Criterion, Numbers, Range, Search, System, Total, fold};
use store::testing::on_each_database;
use store::{Expect, Reading, Store};

use crate::people::{commit, delete, observation, person, put, system};

fn query(ty: &str, pairs: &[(&str, &str)]) -> Search {
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| ((*name).to_string(), (*value).to_string()))
        .collect();
    Search::parse(
        ty,
        &pairs,
        "https://gp.example/fhir",
        &fhir::search::Limits::default(),
    )
    .unwrap()
}

async fn ids(store: &Store, scope: &Scope, search: &Search) -> Vec<String> {
    let page = store.search(scope, search).await.unwrap();
    page.entries.into_iter().map(|entry| entry.id).collect()
}

#[test]
fn each_kind_of_parameter_finds_what_it_should() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let zoe = r#"{"resourceType":"Patient","identifier":[{"system":"urn:nhs","value":"9434765919"}],"name":[{"family":"Straße","given":["Zoë"]}],"birthDate":"1980-02","active":true}"#;
        commit(
            &store,
            vec![
                put(zoe, "zoe"),
                put(&person("Smith_50%"), "smith"),
                put(&observation("zoe", "8302-2", "2024-03-05"), "height"),
                put(&observation("smith", "29463-7", "2023"), "weight"),
            ],
        )
        .await
        .unwrap();
        type Case = (
            &'static str,
            &'static [(&'static str, &'static str)],
            &'static [&'static str],
        );
        let cases: &[Case] = &[
            ("Patient", &[], &["zoe", "smith"]),
            ("Patient", &[("identifier", "urn:nhs|9434765919")], &["zoe"]),
            ("Patient", &[("identifier", "9434765919")], &["zoe"]),
            ("Patient", &[("identifier", "|9434765919")], &[]),
            ("Patient", &[("identifier", "urn:nhs|")], &["zoe"]),
            ("Patient", &[("family", "smith")], &["smith"]),
            ("Patient", &[("family", "SMI")], &["smith"]),
            ("Patient", &[("family:contains", "_50%")], &["smith"]),
            ("Patient", &[("family:contains", "_5%%")], &[]),
            ("Patient", &[("family:exact", "smith_50%")], &[]),
            ("Patient", &[("family:exact", "Smith_50%")], &["smith"]),
            ("Patient", &[("given", "zoe"), ("family", "str")], &["zoe"]),
            ("Patient", &[("given", "zoe")], &["zoe", "smith"]),
            ("Patient", &[("birthdate", "1980")], &["zoe"]),
            ("Patient", &[("birthdate", "lt1980")], &[]),
            ("Patient", &[("birthdate:missing", "true")], &["smith"]),
            ("Patient", &[("identifier:missing", "false")], &["zoe"]),
            ("Patient", &[("identifier:missing", "true")], &["smith"]),
            ("Patient", &[("active:not", "true")], &["smith"]),
            ("Patient", &[("_id", "zoe,none")], &["zoe"]),
            ("Patient", &[("_id", "zoe"), ("family", "smith")], &[]),
            (
                "Patient",
                &[("_lastUpdated", "ge2026-01-05")],
                &["zoe", "smith"],
            ),
            ("Patient", &[("_lastUpdated", "lt2026-01-05")], &[]),
            ("Observation", &[("subject", "Patient/zoe")], &["height"]),
            (
                "Observation",
                &[("patient", "zoe"), ("code", "8302-2")],
                &["height"],
            ),
            (
                "Observation",
                &[("patient", "zoe"), ("code", "29463-7")],
                &[],
            ),
            (
                "Observation",
                &[("patient", "zoe,smith"), ("date", "ge2024")],
                &["height"],
            ),
            (
                "Observation",
                &[("code", "http://loinc.org|8302-2,29463-7")],
                &["height", "weight"],
            ),
            (
                "Observation",
                &[("value-quantity", "1.5")],
                &["height", "weight"],
            ),
            ("Observation", &[("value-quantity", "gt1.5")], &[]),
            (
                "Observation",
                &[("code", "8302-2"), ("value-quantity", "lt2")],
                &["height"],
            ),
            ("Observation", &[("code:not", "8302-2")], &["weight"]),
            ("Encounter", &[], &[]),
        ];
        for (ty, pairs, expected) in cases {
            let found = ids(&store, &system(), &query(ty, pairs)).await;
            assert_eq!(&found, expected, "{ty} {pairs:?}");
        }
        store.close().await;
    });
}

#[test]
fn a_search_finds_what_is_and_no_longer_what_was() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let by_code = |code: &str| query("Observation", &[("code", code)]);
        commit(&store, vec![put(&observation("p", "old", "2024"), "o")])
            .await
            .unwrap();
        commit(&store, vec![put(&observation("q", "new", "2024"), "o")])
            .await
            .unwrap();
        assert!(ids(&store, &system(), &by_code("old")).await.is_empty());
        assert_eq!(ids(&store, &system(), &by_code("new")).await, ["o"]);
        let of_p = query("Observation", &[("subject", "Patient/p")]);
        assert!(ids(&store, &system(), &of_p).await.is_empty());
        let dated = query("Observation", &[("date", "2024")]);
        assert_eq!(
            ids(&store, &system(), &dated).await,
            ["o"],
            "an entry that stayed is kept"
        );
        commit(&store, vec![delete("Observation", "o", Expect::Anything)])
            .await
            .unwrap();
        for search in [by_code("new"), dated, Search::all("Observation", 5)] {
            assert!(ids(&store, &system(), &search).await.is_empty());
        }
        store.close().await;
    });
}

#[test]
fn a12_no_value_becomes_sql() {
    const HOSTILE: [&str; 9] = [
        "'; DROP TABLE res; --",
        "\" OR 1=1 --",
        "x') OR (1=1",
        "$1",
        "?1",
        "%",
        "_",
        "a\0b",
        "\u{10ffff}\\",
    ];
    on_each_database(async |ground| {
        let store = ground.open().await;
        commit(&store, vec![put(&person("Canary"), "canary")])
            .await
            .unwrap();
        for text in HOSTILE {
            let own = || text.to_string();
            let any = Range::default();
            let criteria = [
                Criterion::Id(own()),
                Criterion::Token {
                    system: System::Is(own()),
                    code: Some(own()),
                },
                Criterion::Token {
                    system: System::Is(own()),
                    code: None,
                },
                Criterion::StringStarts(own()),
                Criterion::StringContains(own()),
                Criterion::StringExact(own()),
                Criterion::Reference {
                    targets: vec![own(), own()],
                },
                Criterion::Uri(own()),
                Criterion::Quantity {
                    low: Numbers::default(),
                    high: Numbers::default(),
                    system: System::Is(own()),
                    code: Some(own()),
                },
                Criterion::Date {
                    low: any,
                    high: any,
                },
            ];
            for criterion in criteria {
                for code in ["family", text] {
                    let mut search = Search::all("Patient", 10);
                    search.total = Total::Accurate;
                    search.clauses = vec![Clause {
                        code: code.to_string(),
                        negated: false,
                        criteria: vec![criterion.clone()],
                    }];
                    let found = ids(&store, &system(), &search).await;
                    assert!(found.is_empty(), "{text} {criterion:?}");
                }
            }
            let mut search = Search::all(text, 10);
            assert!(ids(&store, &system(), &search).await.is_empty());
            search.ty = "Patient".into();
            search.after = Some(own());
            assert!(store.search(&system(), &search).await.is_err());
            let read = store.read(&system(), text, text).await;
            assert_eq!(read.unwrap(), Reading::Absent);
        }
        let all = ids(&store, &system(), &Search::all("Patient", 10)).await;
        assert_eq!(all, ["canary"]);
        store.close().await;
    });
}

#[test]
fn a_long_text_is_found_by_its_start_and_by_all_of_it() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let family = "Ångström ".repeat(60);
        commit(&store, vec![put(&person(&family), "long")])
            .await
            .unwrap();
        let long = "x".repeat(900);
        let id = format!(
            r#"{{"resourceType":"Patient","identifier":[{{"system":"s","value":"{long}1"}}]}}"#
        );
        commit(&store, vec![put(&id, "id")]).await.unwrap();
        for start in ["angstrom", &fold(&family)] {
            let found = ids(&store, &system(), &query("Patient", &[("family", start)])).await;
            assert_eq!(found, ["long"]);
        }
        for (value, expected) in [(format!("{long}1"), 1), (format!("{long}2"), 0)] {
            let search = query("Patient", &[("identifier", &value)]);
            assert_eq!(ids(&store, &system(), &search).await.len(), expected);
        }
        store.close().await;
    });
}
