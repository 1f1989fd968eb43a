//! The code systems and value sets that R4 itself defines: there for whoever asks, with nothing
//! loaded.

use fhir::problem::Kind;
use fhir::search::{Limits, Search};
use fhir::terminology::Subsumption;
use store::Store;
use store::terminology::{Asked, Coded, ExpansionOptions};
use store::testing::on_each_database;

use crate::people::{commit, put, system};

const GENDER: &str = "http://hl7.org/fhir/administrative-gender";
const ACT_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/observation-category";

async fn expanded(store: &Store, set: &str, filter: &str) -> Vec<(String, String)> {
    let options = ExpansionOptions {
        filter: (!filter.is_empty()).then(|| filter.to_owned()),
        ..ExpansionOptions::default()
    };
    let found = store.expand(&system(), Asked::Url(set), &options).await;
    let codes = found.unwrap().codes.into_iter();
    codes.map(|it| (it.code, it.display)).collect()
}

#[test]
fn what_r4_defines_is_looked_up_checked_and_expanded_with_nothing_loaded() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let found = store
            .lookup(&system(), GENDER, None, "female", None)
            .await
            .unwrap();
        assert_eq!(found.display, "Female");
        assert_eq!(found.system.version, "4.0.1");
        let nothing = store.lookup(&system(), GENDER, None, "f", None).await;
        assert_eq!(nothing.unwrap_err().kind, Kind::NotFound);
        let other = store
            .lookup(&system(), GENDER, Some("9"), "female", None)
            .await;
        assert_eq!(other.unwrap_err().kind, Kind::NotFound);
        for (code, expected) in [("AMB", true), ("AMBULANT", false)] {
            let coded = Coded {
                system: Some(ACT_CODE),
                version: None,
                code,
                display: None,
            };
            let known = store.validate_in_system(&system(), coded).await.unwrap();
            assert_eq!(known.result, expected, "{code}");
            let set = Asked::Url("http://terminology.hl7.org/ValueSet/v3-ActCode");
            let known = store.validate_code(&system(), set, coded).await.unwrap();
            assert_eq!(known.result, expected, "{code}");
        }
        let below = store
            .subsumes(&system(), ACT_CODE, None, "_ActEncounterCode", "AMB")
            .await;
        assert_eq!(below.unwrap(), Subsumption::Subsumes);
        let set = "http://hl7.org/fhir/ValueSet/observation-category";
        let vital = ("vital-signs".to_string(), "Vital Signs".to_string());
        assert_eq!(expanded(&store, set, "vital").await, [vital]);
        let encounters = expanded(
            &store,
            "http://terminology.hl7.org/ValueSet/v3-ActEncounterCode",
            "",
        )
        .await;
        assert!(
            encounters.iter().any(|(code, _)| code == "AMB"),
            "{encounters:?}"
        );
        assert!(
            !encounters.iter().any(|(code, _)| code == "FIN"),
            "{encounters:?}"
        );
        let genders = expanded(
            &store,
            "http://hl7.org/fhir/ValueSet/administrative-gender",
            "",
        )
        .await;
        assert_eq!(genders.len(), 4, "{genders:?}");
        assert!(genders.iter().all(|(_, display)| !display.is_empty()));
    });
}

#[test]
fn a_search_asks_by_what_r4_defines() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let seen = |category: &str| {
            format!(
                r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},"category":[{{"coding":[{{"system":"{CATEGORY}","code":"{category}"}}]}}]}}"#
            )
        };
        let all = [("a", "vital-signs"), ("b", "laboratory"), ("c", "made-up")];
        for (id, category) in all {
            commit(&store, vec![put(&seen(category), id)])
                .await
                .unwrap();
        }
        for (name, value, expected) in [
            (
                "category:in",
                "http://hl7.org/fhir/ValueSet/observation-category",
                "ab",
            ),
            (
                "category:not-in",
                "http://hl7.org/fhir/ValueSet/observation-category",
                "c",
            ),
            ("category:below", &format!("{CATEGORY}|laboratory"), "b"),
        ] {
            let query = [(name.to_string(), value.to_string())];
            let search = Search::parse("Observation", &query, "", &Limits::default()).unwrap();
            let page = store.search(&system(), &search).await.unwrap();
            let found: String = page.entries.iter().map(|it| it.id.as_str()).collect();
            assert_eq!(found, expected, "{name}");
        }
    });
}

#[test]
fn a_code_system_of_the_nodes_own_takes_the_place_of_what_r4_defines() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let display = async |code: &str| {
            let found = store.lookup(&system(), GENDER, None, code, None).await;
            found.map(|it| it.display).map_err(|problem| problem.kind)
        };
        assert_eq!(display("female").await.unwrap(), "Female");
        let own = format!(
            r#"{{"resourceType":"CodeSystem","url":"{GENDER}","version":"5","status":"active","content":"complete","concept":[{{"code":"female","display":"Woman"}}]}}"#
        );
        commit(&store, vec![put(&own, "gender")]).await.unwrap();
        assert_eq!(display("female").await.unwrap(), "Woman");
        assert_eq!(display("male").await, Err(Kind::NotFound));
        let kinds = store.code_systems().await.unwrap();
        let kinds: Vec<&str> = kinds.iter().map(|it| it.kind.as_str()).collect();
        assert_eq!(
            kinds,
            ["resource", "r4"],
            "written once, however often asked"
        );
    });
}
