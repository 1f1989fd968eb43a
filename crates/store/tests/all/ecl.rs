//! Attributes in ECL, on a small made-up release: groups and values, attributes reversed, dots, and
//! concrete values.

use fhir::problem::Kind;
use fhir::terminology::code_system::{Concept, Relationship};
use fhir::terminology::hierarchy::Hierarchy;
use store::Store;
use store::terminology::{Asked, ExpansionOptions, NewConcept, ReleaseHead};
use store::testing::on_each_database;

use crate::people::system;

/// Name, parent, and what each is defined by: group, attribute and value, each by name unless concrete.
type Row = (
    &'static str,
    &'static str,
    &'static [(u32, &'static str, &'static str)],
);

/// Medicines with what is in them and how much of it; a brand has a name.
const ROWS: &[Row] = &[
    ("root", "", &[]),
    ("attribute", "root", &[]),
    ("ingredient", "attribute", &[]),
    ("precise", "ingredient", &[]),
    ("strength", "attribute", &[]),
    ("brandname", "attribute", &[]),
    ("prescribable", "attribute", &[]),
    ("substance", "root", &[]),
    ("salt", "substance", &[]),
    ("acid", "substance", &[]),
    ("base", "substance", &[(0, "ingredient", "salt")]),
    ("product", "root", &[]),
    (
        "weak",
        "product",
        &[
            (1, "ingredient", "salt"),
            (1, "strength", "#2.5"),
            (0, "prescribable", "true"),
        ],
    ),
    (
        "strong",
        "product",
        &[
            (1, "precise", "salt"),
            (1, "strength", "#250"),
            (0, "prescribable", "false"),
        ],
    ),
    (
        "both",
        "product",
        &[
            (1, "ingredient", "salt"),
            (1, "strength", "#5"),
            (2, "ingredient", "acid"),
            (2, "strength", "#250.0"),
        ],
    ),
    (
        "brand",
        "weak",
        &[
            (1, "ingredient", "salt"),
            (0, "brandname", "\"Wunder Salt\""),
        ],
    ),
];

fn code(name: &str) -> String {
    let at = ROWS.iter().position(|(known, ..)| *known == name);
    (100_000 + at.unwrap()).to_string()
}

async fn load(store: &Store, with_relationships: bool) {
    let place = |name: &str| {
        let at = ROWS.iter().position(|(known, ..)| *known == name);
        u32::try_from(at.unwrap()).unwrap()
    };
    let below = ROWS.iter().filter(|(_, parent, _)| !parent.is_empty());
    let edges: Vec<(u32, u32)> = below
        .map(|(name, parent, _)| (place(name), place(parent)))
        .collect();
    let count = u32::try_from(ROWS.len()).unwrap();
    let hierarchy = Hierarchy::new(count, &edges, |_| false).unwrap();
    let number = |name: &str| hierarchy.number[place(name) as usize];
    let head = ReleaseHead {
        kind: "snomed".into(),
        url: "http://snomed.info/sct".into(),
        version: format!("http://snomed.info/sct/1/version/{with_relationships}"),
        is_case_sensitive: true,
        ..ReleaseHead::default()
    };
    let mut loading = store.begin_release(head).await.unwrap();
    for at in &hierarchy.place {
        let (name, parent, defined) = ROWS[*at as usize];
        let relationship = |(group, attribute, value): &(u32, &str, &str)| Relationship {
            group: *group,
            attribute: code(attribute),
            value: match ROWS.iter().any(|(known, ..)| known == value) {
                true => code(value),
                false => (*value).to_string(),
            },
        };
        let mut relationships: Vec<Relationship> = defined.iter().map(relationship).collect();
        relationships.retain(|_| with_relationships);
        let concept = Concept {
            code: code(name),
            display: name.into(),
            relationships,
            ..Concept::default()
        };
        let parents = match parent {
            "" => Vec::new(),
            parent => vec![number(parent)],
        };
        let new = NewConcept {
            concept,
            parents,
            ..NewConcept::default()
        };
        loading.concept(&new).await.unwrap();
    }
    let ranges = (0u32..).zip(&hierarchy.below);
    for (num, below) in ranges.filter(|(_, below)| !below.is_empty()) {
        loading.range(num, below).await.unwrap();
    }
    loading.finish().await.unwrap();
}

/// The names of what an expression finds, sorted. Words in it that are concepts' names become codes.
async fn asked(store: &Store, expression: &str) -> Result<String, Kind> {
    let coded: Vec<String> = expression
        .split(' ')
        .map(|word| match ROWS.iter().any(|(known, ..)| *known == word) {
            true => code(word),
            false => word.to_string(),
        })
        .collect();
    let url = format!("http://snomed.info/sct?fhir_vs=ecl/{}", coded.join(" "));
    let options = ExpansionOptions::default();
    let found = store.expand(&system(), Asked::Url(&url), &options).await;
    let found = found.map_err(|it| it.kind)?;
    let mut names: Vec<String> = found.codes.into_iter().map(|it| it.display).collect();
    names.sort_unstable();
    Ok(names.join(" "))
}

#[test]
fn attributes_are_asked_for_backwards_and_by_dots() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        load(&store, true).await;
        for (expression, expected) in [
            ("< product . ingredient", "acid salt"),
            ("product . ingredient", ""),
            ("strong . << ingredient", "salt"),
            ("strong . ingredient", ""),
            ("both . ingredient", "acid salt"),
            ("* . ingredient", "acid salt"),
            ("* . strength", ""),
            ("base . ingredient . ingredient", ""),
            ("( < product . ingredient ) AND acid", "acid"),
            ("< substance : R ingredient = both", "acid salt"),
            ("< substance : R ingredient = < product", "acid salt"),
            ("< substance : R ingredient = *", "acid salt"),
            ("< substance : R ingredient = strong", ""),
            ("< substance : R << ingredient = strong", "salt"),
            ("< substance : R ingredient != both", "salt"),
            ("< substance : reverseOf ingredient = << weak", "salt"),
            ("< substance : [0..0] R ingredient = *", "base"),
            ("< substance : [2..*] R ingredient = < product", "salt"),
            ("< substance : [1..1] R ingredient = *", "acid"),
            ("< substance : [0..1] R ingredient = < product", "acid base"),
            (
                "< substance : R ingredient = both , [0..0] R ingredient = weak",
                "acid",
            ),
            ("* : R ingredient = weak OR ingredient = acid", "both salt"),
            (
                "* : { ingredient = salt , strength > #1 } OR R ingredient = base",
                "both salt weak",
            ),
        ] {
            let found = asked(&store, expression).await;
            assert_eq!(found.as_deref(), Ok(expected), "{expression}");
        }
    });
}

#[test]
fn concrete_values_are_compared() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        load(&store, true).await;
        for (expression, expected) in [
            ("* : strength = #250", "both strong"),
            ("* : strength >= #5", "both strong"),
            ("* : strength < #5", "weak"),
            ("* : strength != #250", "both weak"),
            ("* : strength = *", "both strong weak"),
            ("* : strength = salt", ""),
            ("* : strength != salt", ""),
            ("< product : [0..0] strength > #2.5", "brand weak"),
            ("< product : [2..2] strength > #0", "both"),
            ("* : { ingredient = salt , strength <= #5 }", "both weak"),
            ("* : { ingredient = salt , strength > #5 }", ""),
            ("* : { << ingredient = salt , strength > #5 }", "strong"),
            ("* : brandname = \"wunder\"", "brand"),
            ("* : brandname = wild:\"*salt\"", "brand"),
            ("* : brandname = (\"x\" \"salt\")", "brand"),
            ("* : brandname != \"salt\"", ""),
            ("* : prescribable = true", "weak"),
            ("* : prescribable != true", "strong"),
        ] {
            let found = asked(&store, expression).await;
            assert_eq!(found.as_deref(), Ok(expected), "{expression}");
        }
        let told = store
            .lookup(
                &system(),
                "http://snomed.info/sct",
                None,
                &code("weak"),
                None,
            )
            .await
            .unwrap();
        let strength = code("strength");
        let mut told = told.detail.properties.iter();
        let told = told.find(|it| it.code == strength).unwrap();
        assert_eq!(
            (told.kind.as_str(), told.value.as_str()),
            ("Decimal", "2.5")
        );
    });
}

#[test]
fn a_release_without_relationships_says_so() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        load(&store, false).await;
        for expression in [
            "* : ingredient = *",
            "* : R ingredient = *",
            "* . ingredient",
        ] {
            let found = asked(&store, expression).await;
            assert_eq!(found, Err(Kind::NotSupported), "{expression}");
        }
    });
}
