//! Refinements of ECL on a made-up release whose concepts are defined by attributes in groups.

use std::path::Path;

use fhir::problem::Kind;
use store::terminology::{Asked, ExpansionOptions};
use store::testing::on_each_database;

use super::made_up::{
    CONCEPTS, CONCRETE, DESCRIPTIONS, FULL, MODULE, RELATIONSHIPS, concept, id, is_a, name,
    relationship, snomed, write,
};
use super::{System, displays, loaded, open, scope};

/// Attributes and sites.
const ATTRIBUTE: u64 = 30;
const SITE: u64 = 31;
const CAUSE: u64 = 32;
const BODY: u64 = 33;
const HEAD: u64 = 34;
const EAR: u64 = 35;
const GERM: u64 = 36;
const STRENGTH: u64 = 37;
/// What is defined by them.
const IN_HEAD: u64 = 40;
const IN_EAR: u64 = 41;
const IN_BOTH: u64 = 42;

fn defined(number: u64, of: u64, attribute: u64, value: u64, group: u32, active: u8) -> String {
    line(number, of, attribute, (&id(value), group, active))
}

fn line(number: u64, of: u64, attribute: u64, (value, group, active): (&str, u32, u8)) -> String {
    format!(
        "{}\t20260103\t{active}\t{MODULE}\t{}\t{}\t{group}\t{}\t900000000000011006\t900000000000451002",
        relationship(number),
        id(of),
        value,
        id(attribute),
    )
}

/// One sore is in the head; one is in the ear, by a germ; one has the germ in the head, and
/// something else in the ear. What a later file takes back does not count.
fn release(folder: &Path) {
    snomed(folder);
    let inner = "UKDrug/Snapshot/Terminology";
    let last = "UKDGSnapshot_GB1000001_20260103.txt";
    let named = [
        (ATTRIBUTE, "Attribute"),
        (SITE, "Site"),
        (CAUSE, "Cause"),
        (BODY, "Body"),
        (HEAD, "Head"),
        (EAR, "Ear"),
        (GERM, "Germ"),
        (STRENGTH, "Strength"),
        (IN_HEAD, "Sore head"),
        (IN_EAR, "Sore ear by a germ"),
        (IN_BOTH, "Sore ear and germ in the head"),
    ];
    let mut concepts = vec![CONCEPTS.to_string()];
    let mut names = vec![DESCRIPTIONS.to_string()];
    for (item, term) in named {
        concepts.push(concept(item, 1, "20260103"));
        names.push(name(100 + item, item, FULL, term));
    }
    write(folder, &format!("{inner}/sct2_Concept_{last}"), &concepts);
    write(
        folder,
        &format!("{inner}/sct2_Description_UKDGSnapshot-en_GB1000001_20260103.txt"),
        &names,
    );
    let mut lines = vec![RELATIONSHIPS.to_string()];
    let above = [
        (SITE, ATTRIBUTE),
        (CAUSE, ATTRIBUTE),
        (STRENGTH, ATTRIBUTE),
        (HEAD, BODY),
        (EAR, HEAD),
        (IN_HEAD, 5),
        (IN_EAR, 5),
        (IN_BOTH, 5),
    ];
    for (number, (child, parent)) in (100..).zip(above) {
        lines.push(is_a(number, child, parent, 1, "20260103"));
    }
    lines.extend([
        defined(120, IN_HEAD, SITE, HEAD, 0, 1),
        defined(121, IN_EAR, SITE, EAR, 1, 1),
        defined(122, IN_EAR, CAUSE, GERM, 1, 1),
        defined(123, IN_BOTH, SITE, EAR, 1, 1),
        defined(124, IN_BOTH, CAUSE, GERM, 2, 1),
        defined(125, IN_BOTH, SITE, HEAD, 2, 1),
        defined(126, IN_HEAD, CAUSE, GERM, 0, 1),
    ]);
    write(folder, &format!("{inner}/sct2_Relationship_{last}"), &lines);
    concrete(folder);
    let later = "UKCLSnapshot_GB1000000_20260104.txt";
    let taken_back = defined(126, IN_HEAD, CAUSE, GERM, 0, 0).replace("20260103", "20260104");
    write(
        folder,
        &format!("UKClinical/Snapshot/Terminology/sct2_Relationship_{later}"),
        &[RELATIONSHIPS.to_string(), taken_back],
    );
}

/// How strong each is: by a number or a word; a number that is no longer in use does not count.
fn concrete(folder: &Path) {
    let lines = [
        CONCRETE.to_string(),
        line(140, IN_HEAD, STRENGTH, ("#2.5", 0, 1)),
        line(141, IN_EAR, STRENGTH, ("#40", 1, 1)),
        line(142, IN_BOTH, STRENGTH, ("\"strong\"", 2, 1)),
        line(143, IN_BOTH, STRENGTH, ("#1", 2, 0)),
    ];
    let name = "sct2_RelationshipConcreteValues_UKDGSnapshot_GB1000001_20260103.txt";
    let inner = "UKDrug/Snapshot/Terminology";
    write(folder, &format!("{inner}/{name}"), &lines);
}

#[test]
fn ecl_refinements_ask_for_attributes_groups_and_counts() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let folder = tempfile::tempdir().unwrap();
        release(folder.path());
        loaded(System::Snomed, &open(folder.path()), &store).await;
        let (head, ear, both) = (
            "Sore head",
            "Sore ear by a germ",
            "Sore ear and germ in the head",
        );
        let [site, cause, h, e, germ, any] = [SITE, CAUSE, HEAD, EAR, GERM, ATTRIBUTE].map(id);
        for (refinement, expected) in [
            (format!("{site} |Site| = {h} |Head|"), vec![head, both]),
            (format!("{site} = << {h}"), vec![head, ear, both]),
            (format!("{site} = *"), vec![head, ear, both]),
            (format!("{site} != {h}"), vec![ear, both]),
            (format!("<< {any} = {germ}"), vec![ear, both]),
            (format!("({site} OR {cause}) = {germ}"), vec![ear, both]),
            (
                format!("{site} = {e} AND {cause} = {germ}"),
                vec![ear, both],
            ),
            (format!("{site} = {e}, {cause} = {germ}"), vec![ear, both]),
            (format!("{{ {site} = {e}, {cause} = {germ} }}"), vec![ear]),
            (format!("{{ {site} = {h}, {cause} = {germ} }}"), vec![both]),
            (
                format!("{cause} = {germ} OR {site} = {h}"),
                vec![head, ear, both],
            ),
            (
                format!("{cause} = {germ} AND ({site} = {h} OR {site} = {germ})"),
                vec![both],
            ),
            (
                format!("[0..0] {cause} = *"),
                vec![
                    "Ache of head",
                    "Fever (finding)",
                    "Headache with fever",
                    "Pain (finding)",
                    "Rare (finding)",
                    head,
                ],
            ),
            (format!("[2..*] {site} = *"), vec![both]),
            (format!("[1..1] {site} = *"), vec![head, ear]),
            (format!("[2..2] {{ {site} = * }}"), vec![both]),
            (
                format!("{{ {site} = {e}, [0..0] {cause} = * }}"),
                vec![both],
            ),
            (format!("{cause} = {h}"), vec![]),
        ] {
            let set = format!(
                "http://snomed.info/sct?fhir_vs=ecl/< {} : {refinement}",
                id(5)
            );
            let mut found = displays(&store, &set, "").await;
            let mut expected: Vec<&str> = expected;
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected, "{refinement}");
        }
        let plain = tempfile::tempdir().unwrap();
        snomed(plain.path());
        loaded(System::Snomed, &open(plain.path()), &store).await;
        let set = format!("http://snomed.info/sct?fhir_vs=ecl/* : {site} = *");
        let options = ExpansionOptions::default();
        let refused = store.expand(&scope(), Asked::Url(&set), &options).await;
        assert_eq!(
            refused.unwrap_err().kind,
            Kind::NotSupported,
            "no relationships"
        );
        loaded(System::Snomed, &open(folder.path()), &store).await;
        let told = store
            .lookup(&scope(), "http://snomed.info/sct", None, &id(IN_EAR), None)
            .await
            .unwrap();
        let of = |code: &str| {
            let mut all = told.detail.properties.iter();
            all.find(|it| it.code == code).map(|it| it.value.clone())
        };
        assert_eq!((of(&site), of(&cause)), (Some(e), Some(germ)));
    });
}

#[test]
fn ecl_asks_where_attributes_lead_and_for_concrete_values() {
    on_each_database(async |ground| {
        let store = ground.open().await;
        let folder = tempfile::tempdir().unwrap();
        release(folder.path());
        loaded(System::Snomed, &open(folder.path()), &store).await;
        let (head, ear, both) = (
            "Sore head",
            "Sore ear by a germ",
            "Sore ear and germ in the head",
        );
        let [site, strength, e, all] = [SITE, STRENGTH, EAR, 5].map(id);
        for (expression, expected) in [
            (format!("{} . {site}", id(IN_BOTH)), vec!["Ear", "Head"]),
            (
                format!("<< {} : R {site} = {}", id(BODY), id(IN_EAR)),
                vec!["Ear"],
            ),
            (format!("< {all} : {strength} >= #2.5"), vec![ear, head]),
            (format!("< {all} : {strength} > #2.50"), vec![ear]),
            (format!("< {all} : {strength} = #1"), vec![]),
            (format!("< {all} : {strength} = \"strong\""), vec![both]),
            (
                format!("< {all} : {{ {site} = {e}, {strength} = #40 }}"),
                vec![ear],
            ),
        ] {
            let set = format!("http://snomed.info/sct?fhir_vs=ecl/{expression}");
            let mut found = displays(&store, &set, "").await;
            found.sort_unstable();
            assert_eq!(found, expected, "{expression}");
        }
    });
}
