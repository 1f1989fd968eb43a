use proptest::prelude::*;

use super::*;
use crate::json::{Limits, parse};

fn traits(text: &str) -> Traits {
    Traits::of(&parse(text.as_bytes(), &Limits::default()).unwrap())
}

const JANE: &str = r#"{"resourceType":"Patient","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"943 476 5919"}],"name":[{"family":"Example","given":["Jane"]}],"gender":"female","birthDate":"1970-02-03","address":[{"postalCode":"LS1 4AP"}],"telecom":[{"system":"phone","value":"+44 7700 900123"}]}"#;

fn against_jane(text: &str) -> (f64, Grade) {
    compare(&traits(text), &traits(JANE))
}

#[test]
fn the_same_person_is_certain_and_nobody_is_found_by_the_number_alone() {
    assert_eq!(against_jane(JANE), (1.0, Grade::Certain));
    let number =
        r#""identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9434765919"}]"#;
    let (score, grade) = against_jane(&format!(r#"{{"resourceType":"Patient",{number}}}"#));
    assert_eq!((score, grade), (0.4, Grade::CertainlyNot));
    // With a birthday it is possible, with the name too certain.
    let (_, grade) = against_jane(&format!(
        r#"{{"resourceType":"Patient",{number},"birthDate":"1970-02-03"}}"#
    ));
    assert_eq!(grade, Grade::Possible);
    let (_, grade) = against_jane(&format!(
        r#"{{"resourceType":"Patient",{number},"birthDate":"1970-02-03","name":[{{"family":"EXAMPLE"}}]}}"#
    ));
    assert_eq!(grade, Grade::Certain);
    // The number of one and the name and birthday of another is nobody.
    let (_, grade) = against_jane(&format!(
        r#"{{"resourceType":"Patient",{number},"birthDate":"1950-11-23","name":[{{"family":"Other","given":["Kim"]}}]}}"#
    ));
    assert_eq!(grade, Grade::CertainlyNot);
}

#[test]
fn without_a_number_the_best_is_probable() {
    for (text, expected) in [
        (
            r#"{"name":[{"family":"Example","given":["Jane"]}],"birthDate":"1970-02-03","gender":"female","address":[{"postalCode":"ls14ap"}]}"#,
            Grade::Probable,
        ),
        // Day and month swapped, a letter missing.
        (
            r#"{"name":[{"family":"Exampel","given":["J"]}],"birthDate":"1970-03-02","address":[{"postalCode":"LS1 4AP"}],"telecom":[{"value":"07700 900123"}]}"#,
            Grade::Possible,
        ),
        (
            r#"{"name":[{"family":"Example","given":["Jane"]}]}"#,
            Grade::CertainlyNot,
        ),
        // Somebody else's number contradicts whatever else agrees.
        (
            r#"{"identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9999999468"}],"name":[{"family":"Example","given":["Jane"]}],"birthDate":"1970-02-03","gender":"female"}"#,
            Grade::CertainlyNot,
        ),
    ] {
        assert_eq!(against_jane(text).1, expected, "{text}");
    }
}

#[test]
fn names_spelt_alike_are_alike_as_published() {
    for (a, b, likeness) in [
        ("martha", "marhta", 0.961),
        ("dwayne", "duane", 0.84),
        ("dixon", "dicksonx", 0.813),
        ("abc", "xyz", 0.0),
        ("", "", 0.0),
    ] {
        assert!((jaro_winkler(a, b) - likeness).abs() < 0.001, "{a} {b}");
    }
}

#[test]
fn it_is_told_what_agreed_and_what_was_not_asked_is_not_told() {
    let asked = traits(
        r#"{"identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9434765919"},{"system":"urn:ward","value":"7"}],"birthDate":"1970-03-02","name":[{"family":"Exampel","given":["Kim"]}],"address":[{"postalCode":"LS1 4AP"}]}"#,
    );
    let weighed = weigh(&asked, &traits(JANE));
    assert_eq!(
        weighed.parts,
        [
            (Part::NhsNumber, Agreement::Same),
            (Part::OtherNumber, Agreement::Unrecorded),
            (Part::BirthDate, Agreement::Alike),
            (Part::Family, Agreement::Alike),
            (Part::Given, Agreement::Differs),
            (Part::Postcode, Agreement::Same),
        ]
    );
    assert_eq!(
        (weighed.score, weighed.grade),
        compare(&asked, &traits(JANE))
    );
    let nobody = weigh(&asked, &Traits::default());
    assert!(
        nobody
            .parts
            .iter()
            .all(|(_, it)| *it == Agreement::Unrecorded)
    );
    assert_eq!(weigh(&Traits::default(), &traits(JANE)).parts, []);
}

proptest! {
    #[test]
    fn likeness_lies_between_0_and_1_and_is_whole_for_the_same(a in ".{0,12}", b in ".{0,12}") {
        prop_assert!((0.0..=1.0).contains(&jaro_winkler(&a, &b)));
        prop_assert!(a.is_empty() || (jaro_winkler(&a, &a) - 1.0).abs() < 1e-9);
    }
}
