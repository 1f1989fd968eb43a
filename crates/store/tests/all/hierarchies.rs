//! `:above` and `:below` of references: up and down a hierarchy, as far as it may be read, however it is
//! linked; and the versions of canonical addresses.

use access::{Interaction, Scope};
use fhir::problem::Kind;
use fhir::search::{Limits, Search};
use store::testing::{START, on_each_database};
use store::{Change, Expect, Release, Store};

use crate::people::{commit, prepared, put, staff, system};

const BASE: &str = "https://gp.example/fhir";

async fn asked(
    store: &Store,
    scope: &Scope,
    ty: &str,
    (name, value): (&str, &str),
) -> Result<String, Kind> {
    let query = [(name.to_string(), value.to_string())];
    let search = Search::parse(ty, &query, BASE, &Limits::default()).map_err(|it| it.kind)?;
    let page = store.search(scope, &search).await.map_err(|it| it.kind)?;
    let mut ids: Vec<String> = page.entries.into_iter().map(|it| it.id).collect();
    ids.sort_unstable();
    Ok(ids.join(" "))
}

fn location(id: &str, part_of: &str, organisation: &str) -> Change {
    let part_of = match part_of {
        "" => String::new(),
        other => format!(r#","partOf":{{"reference":"{other}"}}"#),
    };
    let text = format!(r#"{{"resourceType":"Location","name":"{id}"{part_of}}}"#);
    Change::Put {
        resource: prepared(&text, id, organisation),
        expect: Expect::Anything,
        release: Release::At(START),
    }
}

fn encounter(id: &str, at: &str, part_of: &str) -> Change {
    let part_of = match part_of {
        "" => String::new(),
        other => format!(r#","partOf":{{"reference":"Encounter/{other}"}}"#),
    };
    let text = format!(
        r#"{{"resourceType":"Encounter","status":"finished","class":{{"code":"IMP"}},"location":[{{"location":{{"reference":"{at}"}}}}]{part_of}}}"#
    );
    put(&text, id)
}

/// A hospital with two wards, one of which has a bay with a bed; the bay names its ward in full.
async fn hospital(store: &Store) {
    let changes = vec![
        location("site", "", "A81001"),
        location("ward", "Location/site", "A81001"),
        location("other", "Location/site", "A81001"),
        location("bay", "https://gp.example/fhir/Location/ward", "A81001"),
        location("bed", "Location/bay", "A81001"),
        location("elsewhere", "https://other.example/Location/site", "A81001"),
        encounter("at-site", "Location/site", ""),
        encounter("at-bay", "Location/bay", "at-site"),
        encounter("at-bed", "https://gp.example/fhir/Location/bed", "at-bay"),
        encounter("at-other", "Location/other", ""),
    ];
    commit(store, changes).await.unwrap();
}

#[test]
fn a_hierarchy_is_followed_up_and_down_from_where_it_is_asked() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        hospital(&store).await;
        for (ty, name, value, expected) in [
            ("Location", "partof", "Location/site", "other ward"),
            (
                "Location",
                "partof:below",
                "Location/site",
                "bay bed other ward",
            ),
            ("Location", "partof:below", "site", "bay bed other ward"),
            (
                "Location",
                "partof:below",
                "https://gp.example/fhir/Location/ward",
                "bay bed",
            ),
            (
                "Location",
                "partof:above",
                "Location/bay",
                "bay bed other ward",
            ),
            ("Location", "partof:above", "Location/site", "other ward"),
            ("Location", "partof:below", "Location/unknown", ""),
            (
                "Encounter",
                "location:below",
                "Location/ward",
                "at-bay at-bed",
            ),
            (
                "Encounter",
                "location:below",
                "site",
                "at-bay at-bed at-other at-site",
            ),
            (
                "Encounter",
                "location:above",
                "bed",
                "at-bay at-bed at-site",
            ),
            (
                "Encounter",
                "location:below",
                "ward,other",
                "at-bay at-bed at-other",
            ),
            ("Encounter", "part-of:below", "at-site", "at-bay at-bed"),
            (
                "Encounter",
                "_filter",
                "location sb Location/ward",
                "at-bay at-bed",
            ),
            (
                "Location",
                "_has:Encounter:location:part-of:below",
                "at-site",
                "bay bed",
            ),
            ("Encounter", "part-of.location:below", "ward", "at-bed"),
        ] {
            let found = asked(&store, &system(), ty, (name, value)).await;
            assert_eq!(found.as_deref(), Ok(expected), "{ty}?{name}={value}");
        }
    });
}

#[test]
fn what_is_below_is_counted() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        hospital(&store).await;
        let mut search = Search::parse(
            "Encounter",
            &[("location:below".to_string(), "site".to_string())],
            BASE,
            &Limits::default(),
        )
        .unwrap();
        search.count = 0;
        let page = store.search(&system(), &search).await.unwrap();
        assert_eq!(page.total, Some(4));
    });
}

#[test]
fn what_makes_no_hierarchy_is_refused() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        hospital(&store).await;
        for (ty, name, value, expected) in [
            (
                "Observation",
                "subject:below",
                "Patient/p",
                Kind::NotSupported,
            ),
            ("Encounter", "subject:above", "p", Kind::NotSupported),
            ("Observation", "derived-from:below", "o", Kind::NotSupported),
            (
                "Location",
                "partof:below",
                "https://other.example/Location/1",
                Kind::NotSupported,
            ),
            ("Location", "partof:below", "Patient/p", Kind::Value),
            ("Location", "partof:below", "Location/a/b", Kind::Value),
            (
                "QuestionnaireResponse",
                "questionnaire:above",
                "http://a|1",
                Kind::NotSupported,
            ),
            (
                "QuestionnaireResponse",
                "questionnaire:below",
                "Questionnaire/q",
                Kind::NotSupported,
            ),
            (
                "QuestionnaireResponse",
                "questionnaire:below",
                "http://a|",
                Kind::Value,
            ),
        ] {
            let found = asked(&store, &system(), ty, (name, value)).await;
            assert_eq!(found, Err(expected), "{ty}?{name}={value}");
        }
    });
}

#[test]
fn a_ring_ends_and_what_is_too_deep_is_refused() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let mut changes = vec![
            location("a", "Location/c", "A81001"),
            location("b", "Location/a", "A81001"),
            location("c", "Location/b", "A81001"),
            location("self", "Location/self", "A81001"),
            location("d00", "", "A81001"),
        ];
        for level in 1..40 {
            let above = format!("Location/d{:02}", level - 1);
            changes.push(location(&format!("d{level:02}"), &above, "A81001"));
        }
        commit(&store, changes).await.unwrap();
        for (name, value, expected) in [
            ("partof:below", "a", Ok("a b c")),
            ("partof:above", "a", Ok("a b c")),
            ("partof:below", "self", Ok("self")),
            ("partof:below", "d00", Err(Kind::TooCostly)),
            ("partof:above", "d39", Err(Kind::TooCostly)),
            ("partof:below", "d37", Ok("d38 d39")),
        ] {
            let found = asked(&store, &system(), "Location", (name, value)).await;
            assert_eq!(
                found.as_deref(),
                expected.as_ref().copied(),
                "{name}={value}"
            );
        }
    });
}

#[test]
fn what_may_not_be_read_leads_nowhere() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let changes = vec![
            location("site", "", "A81001"),
            location("ward", "Location/site", "B82002"),
            location("bay", "Location/ward", "A81001"),
            location("bed", "Location/bay", "A81001"),
            encounter("at-bay", "Location/bay", ""),
            encounter("at-site", "Location/site", ""),
        ];
        commit(&store, changes).await.unwrap();
        let own = staff("A81001", Interaction::Search);
        for (name, value, all, seen) in [
            ("location:below", "site", "at-bay at-site", "at-site"),
            ("location:below", "ward", "at-bay", "at-bay"),
            ("location:above", "bed", "at-bay at-site", "at-bay"),
        ] {
            let found = asked(&store, &system(), "Encounter", (name, value)).await;
            assert_eq!(found.as_deref(), Ok(all), "{name}={value}");
            let found = asked(&store, &own, "Encounter", (name, value)).await;
            assert_eq!(found.as_deref(), Ok(seen), "{name}={value}");
        }
    });
}

#[test]
fn a_canonical_address_is_found_with_the_versions_below_it() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let answered = |id: &str, canonical: &str| {
            let text = format!(
                r#"{{"resourceType":"QuestionnaireResponse","status":"completed","questionnaire":"{canonical}"}}"#
            );
            put(&text, id)
        };
        let changes = vec![
            answered("any", "http://forms.example/q"),
            answered("v1", "http://forms.example/q|1"),
            answered("v1-0", "http://forms.example/q|1.0"),
            answered("v1-1", "http://forms.example/q|1.1.3"),
            answered("v10", "http://forms.example/q|10"),
            answered("v2", "http://forms.example/q|2.0-draft"),
            answered("own", "https://gp.example/fhir/Questionnaire/q|3.1"),
            answered("other", "http://forms.example/qq|1.0"),
        ];
        commit(&store, changes).await.unwrap();
        for (name, value, expected) in [
            (
                "questionnaire:below",
                "http://forms.example/q",
                "any v1 v1-0 v1-1 v10 v2",
            ),
            (
                "questionnaire:below",
                "http://forms.example/q|1",
                "v1 v1-0 v1-1",
            ),
            ("questionnaire:below", "http://forms.example/q|1.1", "v1-1"),
            ("questionnaire:below", "http://forms.example/q|2.0", "v2"),
            (
                "questionnaire:below",
                "https://gp.example/fhir/Questionnaire/q|3",
                "own",
            ),
            (
                "questionnaire",
                "https://gp.example/fhir/Questionnaire/q|3.1",
                "own",
            ),
            ("questionnaire", "http://forms.example/q|1", "v1"),
        ] {
            let found = asked(&store, &system(), "QuestionnaireResponse", (name, value)).await;
            assert_eq!(found.as_deref(), Ok(expected), "{name}={value}");
        }
    });
}
