use super::{Item, Path};
use crate::definitions::Definitions;
use crate::json::{Limits, parse};

/// The texts of a result.
fn texts(expression: &str, resource: &str) -> Vec<String> {
    let r4 = Definitions::r4();
    let path = Path::compile(expression, r4).unwrap();
    let json = parse(resource.as_bytes(), &Limits::default()).unwrap();
    let mut found = Vec::new();
    path.each(&json, r4, &mut |item| {
        found.push(match item {
            Item::Node { json, .. } => String::from_utf8(json.to_bytes()).unwrap(),
            Item::Bool(value) => value.to_string(),
            Item::Text(text) => text.to_string(),
            Item::Target(ty) => r4.ty(ty).name.to_string(),
        });
    });
    found
}

#[test]
fn every_search_expression_of_r4_compiles() {
    let r4 = Definitions::r4();
    let expressions = r4
        .parameters
        .iter()
        .filter(|parameter| !parameter.expression.is_empty());
    let mut count = 0;
    for parameter in expressions {
        Path::compile(parameter.expression, r4)
            .unwrap_or_else(|fault| panic!("{}: {fault}", parameter.expression));
        count += 1;
    }
    assert_eq!(count, 1375);
}

#[test]
fn the_shapes_that_search_uses_find_their_items() {
    let observation = r##"{"resourceType":"Observation","valueQuantity":{"value":1.50},
        "subject":{"reference":"Patient/1"},"focus":[{"reference":"#d"},{"reference":"https://a.example/Group/2/_history/3"}],
        "contained":[{"resourceType":"Device","id":"d"}],
        "component":[{"valueString":"a"},{"valueString":"b"}]}"##;
    assert_eq!(
        texts("Observation.value", observation),
        [r#"{"value":1.50}"#]
    );
    assert_eq!(
        texts("(Observation.value as Quantity).value", observation),
        ["1.50"]
    );
    assert_eq!(
        texts("Observation.value.as(Quantity).value", observation),
        ["1.50"]
    );
    assert_eq!(texts("(Observation.value as string)", observation), [""; 0]);
    assert_eq!(
        texts("Observation.component.value", observation),
        [r#""a""#, r#""b""#]
    );
    assert_eq!(
        texts("Observation.component[1].value", observation),
        [r#""b""#]
    );
    assert_eq!(
        texts("Patient.name | Observation.component[0].value", observation),
        [r#""a""#]
    );
    assert_eq!(
        texts("Observation.focus.resolve()", observation),
        ["Device", "Group"]
    );
    let patients = "Observation.subject.where(resolve() is Patient).reference";
    assert_eq!(texts(patients, observation), [r#""Patient/1""#]);
    assert_eq!(
        texts("Observation.subject.where(resolve() is Group)", observation),
        [""; 0]
    );
    assert_eq!(texts("Resource.resourceType", observation), [""; 0]);
}

#[test]
fn conditions_follow_the_logic_of_three_values() {
    let deceased = "Patient.deceased.exists() and Patient.deceased != false";
    assert_eq!(texts(deceased, r#"{"resourceType":"Patient"}"#), ["false"]);
    assert_eq!(
        texts(
            deceased,
            r#"{"resourceType":"Patient","deceasedBoolean":false}"#
        ),
        ["false"]
    );
    assert_eq!(
        texts(
            deceased,
            r#"{"resourceType":"Patient","deceasedBoolean":true}"#
        ),
        ["true"]
    );
    assert_eq!(
        texts(
            deceased,
            r#"{"resourceType":"Patient","deceasedDateTime":"2020"}"#
        ),
        ["true"]
    );
    let mail = "Patient.telecom.where(system='email').value";
    let patient = r#"{"resourceType":"Patient","telecom":[{"system":"email","value":"a@b.example"},{"system":"phone","value":"1"},{"value":"2"}]}"#;
    assert_eq!(texts(mail, patient), [r#""a@b.example""#]);
}

#[test]
fn what_is_not_known_is_refused_when_compiling() {
    for expression in [
        "",
        "Patient.",
        "Patient.name.frobnicate()",
        "Patient.name as Nobody",
        "(Patient",
        "Patient)",
        "Patient.name[a]",
        "'a",
        "Patient.name + 1",
        "a b",
        &"(".repeat(100),
    ] {
        assert!(
            Path::compile(expression, Definitions::r4()).is_err(),
            "{expression}"
        );
    }
}
