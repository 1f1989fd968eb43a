//! Code systems, value sets and maps, from resources and from releases.

use access::Scope;
use fhir::json::{Limits, parse};
use fhir::problem::Kind;
use fhir::terminology::compose::ValueSet;
use fhir::terminology::{Membership, Subsumption, Unknown};
use store::Store;
use store::terminology::{Asked, Coded, ExpansionOptions, TranslationAsk};
use store::testing::on_each_database;

use crate::people::{commit, delete, put, system};
use store::Expect;

const ANIMALS: &str = r#"{"resourceType":"CodeSystem","url":"urn:animals","version":"1","status":"active","content":"complete",
  "valueSet":"urn:animals:all","caseSensitive":false,"concept":[
  {"code":"animal","display":"Animal","concept":[
    {"code":"dog","display":"Domestic dog","definition":"Barks.","designation":[{"language":"cy","value":"Ci"}],"property":[{"code":"legs","valueInteger":4}],
      "concept":[{"code":"terrier","display":"Terrier dog"}]},
    {"code":"hen","display":"Domestic hen","property":[{"code":"legs","valueInteger":2}]},
    {"code":"dodo","display":"Dodo","property":[{"code":"inactive","valueBoolean":true},{"code":"legs","valueInteger":2}]},
    {"code":"guide-dog","display":"Guide dog","property":[{"code":"parent","valueCode":"dog"},{"code":"parent","valueCode":"worker"}]}]},
  {"code":"worker","display":"Worker"}]}"#;

async fn expanded(
    store: &Store,
    compose: &str,
    options: &ExpansionOptions,
) -> Result<Vec<String>, Kind> {
    let text = format!(r#"{{"resourceType":"ValueSet","status":"active","compose":{compose}}}"#);
    let set = ValueSet::read(&parse(text.as_bytes(), &Limits::default()).unwrap()).unwrap();
    let found = store
        .expand(&system(), Asked::Resource(&set), options)
        .await;
    let found = found.map_err(|problem| problem.kind)?;
    let mut codes: Vec<String> = found.codes.into_iter().map(|it| it.code).collect();
    codes.sort();
    Ok(codes)
}

fn coded<'a>(system: Option<&'a str>, code: &'a str) -> Coded<'a> {
    Coded {
        system,
        version: None,
        code,
        display: None,
    }
}

#[test]
fn a_code_system_that_is_put_is_live_at_once_and_gone_with_its_deletion() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        commit(&store, vec![put(ANIMALS, "animals")]).await.unwrap();
        let found = store
            .lookup(&system(), "urn:animals", None, "DOG", Some("cy"))
            .await
            .unwrap();
        assert_eq!((found.code.as_str(), found.display.as_str()), ("dog", "Ci"));
        assert_eq!(found.detail.definition, "Barks.");
        assert_eq!(
            found.parents,
            [("animal".to_string(), "Animal".to_string())]
        );
        assert_eq!(found.children.len(), 2);
        let less = ANIMALS.replace(
            r#"{"code":"worker","display":"Worker"}"#,
            r#"{"code":"cat"}"#,
        );
        commit(&store, vec![put(&less, "animals")]).await.unwrap();
        assert!(
            store
                .lookup(&system(), "urn:animals", None, "worker", None)
                .await
                .is_err()
        );
        assert!(
            store
                .lookup(&system(), "urn:animals", None, "cat", None)
                .await
                .is_ok()
        );
        commit(
            &store,
            vec![delete("CodeSystem", "animals", Expect::Anything)],
        )
        .await
        .unwrap();
        let gone = store
            .lookup(&system(), "urn:animals", None, "dog", None)
            .await
            .unwrap_err();
        assert_eq!(gone.kind, Kind::NotFound);
    });
}

#[test]
fn a_set_is_what_its_parts_and_filters_say() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        commit(&store, vec![put(ANIMALS, "animals")]).await.unwrap();
        let dogs = r#"{"resourceType":"ValueSet","url":"urn:dogs","version":"2","status":"active","compose":{"include":[{"system":"urn:animals","filter":[{"property":"concept","op":"is-a","value":"dog"}]}]}}"#;
        commit(&store, vec![put(dogs, "dogs")]).await.unwrap();
        let filter = |property: &str, op: &str, value: &str| {
            format!(
                r#"{{"include":[{{"system":"urn:animals","filter":[{{"property":"{property}","op":"{op}","value":"{value}"}}]}}]}}"#
            )
        };
        let cases: &[(String, &[&str])] = &[
            (r#"{"include":[{"system":"urn:animals"}]}"#.into(), &["animal", "dodo", "dog", "guide-dog", "hen", "terrier", "worker"]),
            (r#"{"inactive":false,"include":[{"system":"urn:animals"}],"exclude":[{"valueSet":["urn:dogs|2"]}]}"#.into(), &["animal", "hen", "worker"]),
            (r#"{"include":[{"system":"urn:animals","concept":[{"code":"dog"},{"code":"HEN"},{"code":"nothing"}]},{"system":"urn:other","concept":[{"code":"x"}]}]}"#.into(), &["dog", "hen", "x"]),
            (r#"{"include":[{"valueSet":["urn:dogs","urn:animals:all"],"system":"urn:animals","filter":[{"property":"legs","op":"=","value":"4"}]}]}"#.into(), &["dog"]),
            (filter("concept", "descendent-of", "dog"), &["guide-dog", "terrier"]),
            (filter("concept", "is-not-a", "animal"), &["worker"]),
            (filter("concept", "generalizes", "guide-dog"), &["animal", "dog", "guide-dog", "worker"]),
            (filter("legs", "=", "2"), &["dodo", "hen"]),
            (filter("legs", "in", "2,4"), &["dodo", "dog", "hen"]),
            (filter("legs", "not-in", "2,4"), &["animal", "guide-dog", "terrier", "worker"]),
            (filter("legs", "exists", "true"), &["dodo", "dog", "hen"]),
            (filter("legs", "regex", "[2-3]"), &["dodo", "hen"]),
            (filter("code", "regex", ".*dog"), &["dog", "guide-dog"]),
            (filter("parent", "=", "worker"), &["guide-dog"]),
            (filter("parent", "exists", "false"), &["animal", "worker"]),
            (filter("child", "=", "terrier"), &["dog"]),
            (filter("inactive", "=", "true"), &["dodo"]),
        ];
        for (compose, codes) in cases {
            let found = expanded(&store, compose, &ExpansionOptions::default()).await;
            assert_eq!(
                found.as_deref(),
                Ok(&codes.iter().map(|it| it.to_string()).collect::<Vec<_>>()[..]),
                "{compose}"
            );
        }
        for (compose, kind) in [
            (
                r#"{"include":[{"system":"urn:nowhere"}]}"#.to_string(),
                Kind::NotFound,
            ),
            (
                r#"{"include":[{"valueSet":["urn:nowhere"]}]}"#.to_string(),
                Kind::NotFound,
            ),
            (filter("concept", "is-a", "unicorn"), Kind::CodeInvalid),
            (filter("legs", "is-a", "2"), Kind::NotSupported),
            (filter("legs", "regex", "("), Kind::Value),
            (filter("code", "regex", "((a{99}){99}){99}"), Kind::Value),
        ] {
            let found = expanded(&store, &compose, &ExpansionOptions::default()).await;
            assert_eq!(found, Err(kind), "{compose}");
        }
    });
}

#[test]
fn a_value_set_that_imports_itself_is_too_costly_not_endless() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let ring = r#"{"resourceType":"ValueSet","url":"urn:ring","status":"active","compose":{"include":[{"valueSet":["urn:ring"]},{"valueSet":["urn:ring"]}]}}"#;
        commit(&store, vec![put(ring, "ring")]).await.unwrap();
        let found = store
            .expand(
                &system(),
                Asked::Url("urn:ring"),
                &ExpansionOptions::default(),
            )
            .await;
        assert_eq!(found.unwrap_err().kind, Kind::TooCostly);
    });
}

#[test]
fn text_pages_languages_and_designations_choose_what_is_shown() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        commit(&store, vec![put(ANIMALS, "animals")]).await.unwrap();
        let all = |filter: &str| ExpansionOptions {
            filter: Some(filter.into()),
            ..ExpansionOptions::default()
        };
        let ask = async |options: &ExpansionOptions| {
            let found = store
                .expand(&system(), Asked::Url("urn:animals:all"), options)
                .await
                .unwrap();
            (
                found.total,
                found
                    .codes
                    .into_iter()
                    .map(|it| it.display)
                    .collect::<Vec<_>>(),
            )
        };
        let (total, shown) = ask(&all("dom")).await;
        assert_eq!(
            (total, shown),
            (
                2,
                vec!["Domestic dog".to_string(), "Domestic hen".to_string()]
            )
        );
        assert_eq!(
            ask(&all("do ci")).await.1,
            ["Domestic dog"],
            "words of all its names"
        );
        assert_eq!(
            ask(&all("DOG")).await.1,
            ["Domestic dog", "Guide dog", "Terrier dog"],
            "its code first, then the shorter"
        );
        assert_eq!(ask(&all("zebra")).await, (0, vec![]));
        let page = ExpansionOptions {
            offset: 1,
            count: Some(2),
            ..all("d")
        };
        assert_eq!(
            ask(&page).await,
            (5, vec!["Guide dog".to_string(), "Terrier dog".to_string()])
        );
        let active = ExpansionOptions {
            active_only: true,
            count: Some(0),
            ..ExpansionOptions::default()
        };
        assert_eq!(ask(&active).await, (6, vec![]));
        let welsh = ExpansionOptions {
            language: Some("cy".into()),
            with_designations: true,
            ..all("terrier domestic")
        };
        assert_eq!(ask(&welsh).await.0, 0);
        let found = store
            .expand(
                &system(),
                Asked::Url("urn:animals:all"),
                &ExpansionOptions {
                    filter: Some("ci".into()),
                    ..welsh
                },
            )
            .await
            .unwrap();
        assert_eq!(
            (
                found.codes[0].display.as_str(),
                found.codes[0].designations.len()
            ),
            ("Ci", 1)
        );
        let costly = ExpansionOptions {
            count: Some(20_000),
            ..ExpansionOptions::default()
        };
        let found = store
            .expand(&system(), Asked::Url("urn:animals:all"), &costly)
            .await;
        assert_eq!(found.unwrap_err().kind, Kind::TooCostly);
    });
}

#[test]
fn codes_are_validated_with_system_display_and_use() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        commit(&store, vec![put(ANIMALS, "animals")]).await.unwrap();
        let set = Asked::Url("urn:animals:all");
        let valid =
            async |coded: Coded<'_>| store.validate_code(&system(), set, coded).await.unwrap();
        assert!(valid(coded(None, "dog")).await.result);
        assert!(!valid(coded(Some("urn:other"), "dog")).await.result);
        assert!(!valid(coded(Some("urn:animals"), "unicorn")).await.result);
        let wrong = valid(Coded {
            display: Some("Cat"),
            ..coded(None, "dog")
        })
        .await;
        assert!(!wrong.result);
        assert_eq!(wrong.display.as_deref(), Some("Domestic dog"));
        assert!(
            valid(Coded {
                display: Some("domestic DOG"),
                ..coded(None, "dog")
            })
            .await
            .result
        );
        assert!(
            valid(Coded {
                display: Some("ci"),
                ..coded(None, "dog")
            })
            .await
            .result
        );
        let old = valid(coded(None, "dodo")).await;
        assert!(old.result && old.inactive);
        let inside = store
            .validate_in_system(&system(), coded(Some("urn:animals"), "hen"))
            .await
            .unwrap();
        assert!(inside.result);
        let gender = Asked::Url("http://hl7.org/fhir/ValueSet/administrative-gender");
        assert!(
            store
                .validate_code(&system(), gender, coded(None, "female"))
                .await
                .unwrap()
                .result
        );
        assert!(
            !store
                .validate_code(&system(), gender, coded(None, "F"))
                .await
                .unwrap()
                .result
        );
    });
}

#[test]
fn codes_stand_above_and_below_each_other() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        commit(&store, vec![put(ANIMALS, "animals")]).await.unwrap();
        for (a, b, outcome) in [
            ("animal", "guide-dog", Subsumption::Subsumes),
            ("guide-dog", "worker", Subsumption::SubsumedBy),
            ("dog", "hen", Subsumption::NotSubsumed),
            ("dog", "DOG", Subsumption::Equivalent),
        ] {
            let found = store
                .subsumes(&system(), "urn:animals", None, a, b)
                .await
                .unwrap();
            assert_eq!(found, outcome, "{a} {b}");
        }
        assert!(
            store
                .subsumes(&system(), "urn:animals", None, "dog", "unicorn")
                .await
                .is_err()
        );
    });
}

#[test]
fn maps_translate_there_and_back_and_what_they_do_not_name() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let map = r#"{"resourceType":"ConceptMap","url":"urn:map","status":"active","sourceUri":"urn:a:vs","targetUri":"urn:b:vs","group":[{"source":"urn:a","target":"urn:b",
          "element":[{"code":"1","target":[{"code":"one","display":"One","equivalence":"wider"},{"code":"uno","equivalence":"equal"}]},{"code":"2"}],"unmapped":{"mode":"fixed","code":"other"}}]}"#;
        commit(&store, vec![put(map, "map")]).await.unwrap();
        let ask = |code: &str| TranslationAsk {
            map: Some("urn:map".into()),
            system: Some("urn:a".into()),
            code: code.into(),
            ..TranslationAsk::default()
        };
        let codes = async |ask: &TranslationAsk| -> Vec<(String, String)> {
            let found = store.translate(&system(), ask).await.unwrap();
            found
                .into_iter()
                .map(|it| (it.code, it.equivalence))
                .collect()
        };
        let pair = |code: &str, equivalence: &str| (code.to_string(), equivalence.to_string());
        assert_eq!(
            codes(&ask("1")).await,
            [pair("one", "wider"), pair("uno", "equal")]
        );
        assert_eq!(codes(&ask("2")).await, [pair("", "unmatched")]);
        assert_eq!(codes(&ask("3")).await, [pair("other", "inexact")]);
        let back = TranslationAsk {
            reverse: true,
            system: Some("urn:b".into()),
            ..ask("one")
        };
        assert_eq!(codes(&back).await, [pair("1", "narrower")]);
        let any = TranslationAsk {
            map: None,
            target: Some("urn:b:vs|1".into()),
            ..ask("1")
        };
        assert_eq!(codes(&any).await.len(), 2);
        let none = TranslationAsk {
            target_system: Some("urn:c".into()),
            map: None,
            ..ask("1")
        };
        assert!(codes(&none).await.is_empty());
        commit(&store, vec![delete("ConceptMap", "map", Expect::Anything)])
            .await
            .unwrap();
        assert!(codes(&ask("1")).await.is_empty());
    });
}

#[test]
fn who_cannot_wait_is_answered_after_a_round_of_looking_up() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        commit(&store, vec![put(ANIMALS, "animals")]).await.unwrap();
        let ask = async |set: &str, code: &str| {
            store
                .with_terminology(|terminology| terminology.member(set, None, code))
                .await
                .unwrap()
        };
        assert_eq!(ask("urn:animals:all", "dog").await, Membership::Yes);
        assert_eq!(ask("urn:animals:all", "cat").await, Membership::No);
        assert_eq!(
            ask("urn:nowhere", "dog").await,
            Membership::Unknown(Unknown::ValueSet)
        );
        let known = store
            .with_terminology(|terminology| terminology.known("urn:animals", "cat"))
            .await
            .unwrap();
        assert_eq!(known, Membership::No);
        // A change is seen by the next piece of work.
        let more = ANIMALS.replace("hen", "cat");
        commit(&store, vec![put(&more, "animals")]).await.unwrap();
        assert_eq!(ask("urn:animals:all", "cat").await, Membership::Yes);
    });
}

#[test]
fn another_organisations_value_sets_are_as_if_they_were_not_there() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        commit(&store, vec![put(ANIMALS, "animals")]).await.unwrap();
        let ask = async |scope: &Scope| {
            store
                .expand(
                    scope,
                    Asked::Url("urn:animals:all"),
                    &ExpansionOptions::default(),
                )
                .await
                .map(|it| it.total)
                .map_err(|it| it.kind)
        };
        let ours = crate::people::staff("A81001", access::Interaction::Search);
        let theirs = crate::people::staff("A81002", access::Interaction::Search);
        assert_eq!(ask(&ours).await, Ok(7));
        assert_eq!(ask(&theirs).await, Err(Kind::NotFound));
        let patient =
            crate::people::patient("zoe", access::Interaction::Search, store::testing::START);
        assert_eq!(ask(&patient).await, Err(Kind::NotFound));
    });
}
