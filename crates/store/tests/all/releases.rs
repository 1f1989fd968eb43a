//! Releases: live as a whole, and asked in SNOMED CT's ways.

use fhir::problem::Kind;
use fhir::terminology::code_system::{Concept, Property};
use fhir::terminology::compose::Designation;
use fhir::terminology::concept_map::Mapping;
use fhir::terminology::hierarchy::Hierarchy;
use store::Store;
use store::terminology::{
    Asked, ExpansionOptions, NewConcept, NewMap, ReleaseHead, TranslationAsk,
};
use store::testing::on_each_database;

use crate::people::system;

fn concept(code: &str, display: &str) -> NewConcept {
    NewConcept {
        concept: Concept {
            code: code.into(),
            display: display.into(),
            ..Concept::default()
        },
        ..NewConcept::default()
    }
}

/// Loads concepts 0 to `count` of `url`, each below the one before it in tens.
async fn load(store: &Store, version: &str, count: u32, stop_at: Option<u32>) -> Option<u32> {
    let head = ReleaseHead {
        kind: "snomed".into(),
        url: "http://snomed.info/sct".into(),
        version: format!("http://snomed.info/sct/1/version/{version}"),
        name: "Made up".into(),
        is_case_sensitive: true,
        ..ReleaseHead::default()
    };
    let edges: Vec<(u32, u32)> = (0..count)
        .filter(|at| at % 10 != 0)
        .map(|at| (at, at - 1))
        .collect();
    let hierarchy = Hierarchy::new(count, &edges, |_| false).unwrap();
    let mut loading = store.begin_release(head).await.unwrap();
    let there = loading.there();
    for num in 0..count {
        if stop_at == Some(num) {
            return None;
        }
        let mut new = concept(
            &format!("{}", 100_000 + num),
            &format!("Concept number {num} of {version}"),
        );
        if num % 10 != 0 {
            new.parents = vec![num - 1];
        }
        if num % 2 == 0 {
            new.member_of = vec!["100000".into()];
        }
        new.concept.properties = vec![Property {
            code: "even".into(),
            kind: "Boolean".into(),
            value: (num % 2 == 0).to_string(),
        }];
        new.concept.designations = vec![Designation {
            language: "cy".into(),
            value: format!("rhif {num}"),
            ..Designation::default()
        }];
        loading.concept(&new).await.unwrap();
    }
    for (num, below) in (0u32..)
        .zip(&hierarchy.below)
        .filter(|(_, below)| !below.is_empty())
    {
        loading.range(num, below).await.unwrap();
    }
    loading
        .map(NewMap {
            url: "urn:replaced".into(),
            ..NewMap::default()
        })
        .await
        .unwrap();
    let mapping = Mapping {
        source_code: "1".into(),
        target_code: version.into(),
        equivalence: "equal".into(),
        ..Mapping::default()
    };
    loading.mapping(&mapping).await.unwrap();
    loading.finish().await.unwrap();
    Some(there)
}

async fn count(store: &Store, url: &str) -> u64 {
    let options = ExpansionOptions {
        count: Some(0),
        ..ExpansionOptions::default()
    };
    store
        .expand(&system(), Asked::Url(url), &options)
        .await
        .map_or(0, |found| found.total)
}

#[test]
fn a_release_is_live_as_a_whole_and_the_one_before_until_then() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        load(&store, "1", 5000, None).await.unwrap();
        let all = "http://snomed.info/sct?fhir_vs";
        assert_eq!(count(&store, all).await, 5000);
        // Broken off, and nothing of it is seen.
        assert_eq!(load(&store, "2", 6000, Some(4500)).await, None);
        assert_eq!(count(&store, all).await, 5000);
        assert_eq!(store.code_systems().await.unwrap().len(), 2);
        // Taken up where whole commits ended.
        let there = load(&store, "2", 6000, None).await.unwrap();
        assert_eq!(there, 4000);
        assert_eq!(count(&store, all).await, 6000);
        let options = ExpansionOptions {
            filter: Some("num 5999".into()),
            ..ExpansionOptions::default()
        };
        let found = store
            .expand(&system(), Asked::Url(all), &options)
            .await
            .unwrap();
        assert_eq!(found.codes[0].display, "Concept number 5999 of 2");
        let ask = TranslationAsk {
            map: Some("urn:replaced".into()),
            code: "1".into(),
            ..TranslationAsk::default()
        };
        let found = store.translate(&system(), &ask).await.unwrap();
        assert_eq!(found.len(), 1, "the old release's map is gone with it");
        let gone = store
            .code_systems()
            .await
            .unwrap()
            .into_iter()
            .find(|it| it.state == "gone")
            .unwrap();
        store.clean_release(gone.id).await.unwrap();
        assert_eq!(store.code_systems().await.unwrap().len(), 1);
        assert_eq!(count(&store, all).await, 6000);
    });
}

#[test]
fn snomeds_implicit_value_sets_and_ecl_are_answered() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        load(&store, "1", 100, None).await.unwrap();
        for (set, expected) in [
            ("", 100),
            ("=isa/100005", 5),
            ("=refset/100000", 50),
            ("=ecl/<< 100005", 5),
            ("=ecl/< 100005 |five|", 4),
            ("=ecl/<! 100005", 1),
            ("=ecl/> 100005", 5),
            ("=ecl/>! 100005", 1),
            ("=ecl/^ 100000", 50),
            ("=ecl/* MINUS ^100000", 50),
            ("=ecl/(<< 100005 OR << 100015) MINUS 100019", 9),
            ("=ecl/<< 100005 AND ^ 100000", 2),
        ] {
            let url = format!("http://snomed.info/sct?fhir_vs{set}");
            assert_eq!(count(&store, &url).await, expected, "{set}");
        }
        let edition = "http://snomed.info/sct/1?fhir_vs=isa/100005";
        assert_eq!(count(&store, edition).await, 5);
        let ask = async |set: &str| {
            let url = format!("http://snomed.info/sct?fhir_vs{set}");
            store
                .expand(&system(), Asked::Url(&url), &ExpansionOptions::default())
                .await
                .unwrap_err()
                .kind
        };
        assert_eq!(ask("=ecl/<<").await, Kind::Value);
        assert_eq!(ask("=nonsense").await, Kind::Value);
        assert_eq!(ask("=isa/999999").await, Kind::CodeInvalid);
        let other = store
            .expand(
                &system(),
                Asked::Url("http://snomed.info/sct/2?fhir_vs"),
                &ExpansionOptions::default(),
            )
            .await;
        assert_eq!(other.unwrap_err().kind, Kind::NotFound);
    });
}
