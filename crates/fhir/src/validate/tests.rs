use super::validate;
use crate::definitions::Definitions;
use crate::json::{Limits, parse};
use crate::problem::{Kind, Problem};

fn check(text: &str) -> Result<(), Problem> {
    validate(
        &parse(text.as_bytes(), &Limits::default()).unwrap(),
        Definitions::r4(),
    )
}

/// Kind and FHIRPath of the first fault.
fn fault(text: &str) -> (Kind, String) {
    let problem = check(text).unwrap_err();
    (problem.kind, problem.expression.unwrap_or_default())
}

fn patient(members: &str) -> String {
    format!(r#"{{"resourceType":"Patient",{members}}}"#)
}

#[test]
fn a_fault_names_its_fhirpath() {
    for (members, kind, expression) in [
        (r#""nam":[]"#, Kind::Structure, "Patient.nam"),
        (
            r#""name":[{"given":["A",1]}]"#,
            Kind::Structure,
            "Patient.name[0].given[1]",
        ),
        (r#""name":{"family":"A"}"#, Kind::Structure, "Patient.name"),
        (r#""name":[]"#, Kind::Structure, "Patient.name"),
        (r#""name":[{}]"#, Kind::Structure, "Patient.name[0]"),
        (r#""active":"true""#, Kind::Structure, "Patient.active"),
        (r#""birthDate":"1990-13""#, Kind::Value, "Patient.birthDate"),
        (
            r#""birthDate":["1990"]"#,
            Kind::Structure,
            "Patient.birthDate",
        ),
        (r#""gender":"m""#, Kind::CodeInvalid, "Patient.gender"),
        (
            r#""link":[{"type":"refer"}]"#,
            Kind::Required,
            "Patient.link[0].other",
        ),
        (
            r#""deceasedBoolean":true,"deceasedDateTime":"2020""#,
            Kind::Structure,
            "Patient.deceased",
        ),
        (
            r#""deceasedString":"x""#,
            Kind::Structure,
            "Patient.deceasedString",
        ),
        (
            r#""contained":[{"resourceType":"Nobody","id":"a"}]"#,
            Kind::Structure,
            "Patient.contained[0]",
        ),
        (
            r#""contained":[{"resourceType":"Organization","nam":1}]"#,
            Kind::Structure,
            "Patient.contained[0].nam",
        ),
        (
            r#""extension":[{"valueString":"x"}]"#,
            Kind::Required,
            "Patient.extension[0].url",
        ),
        (r#""_name":[{}]"#, Kind::Structure, "Patient.name"),
        (r#""active":null"#, Kind::Structure, "Patient.active"),
    ] {
        assert_eq!(
            fault(&patient(members)),
            (kind, expression.to_string()),
            "{members}"
        );
    }
}

#[test]
fn what_is_no_resource_is_refused() {
    assert_eq!(fault("[]").0, Kind::Structure);
    assert_eq!(
        fault(r#"{"id":"a"}"#),
        (Kind::Required, "Resource".to_string())
    );
    assert_eq!(
        fault(r#"{"resourceType":"HumanName","family":"A"}"#).0,
        Kind::Structure
    );
    assert_eq!(
        fault(r#"{"resourceType":"DomainResource","id":"A"}"#).0,
        Kind::Structure
    );
}

#[test]
fn siblings_stand_beside_their_values() {
    let extension = r#"{"extension":[{"url":"http://example.org/x","valueCode":"y"}]}"#;
    for members in [
        format!(r#""birthDate":"1990","_birthDate":{extension}"#),
        format!(r#""_birthDate":{extension}"#),
        format!(r#""name":[{{"given":["A",null],"_given":[null,{extension}]}}]"#),
        format!(r#""name":[{{"_given":[{extension}]}}]"#),
        format!(r#""deceasedBoolean":true,"_deceasedBoolean":{extension}"#),
    ] {
        assert_eq!(check(&patient(&members)), Ok(()), "{members}");
    }
    for members in [
        r#""name":[{"given":["A",null]}]"#.to_string(),
        r#""name":[{"given":["A"],"_given":[null,null]}]"#.to_string(),
        format!(r#""name":[{{"given":["A"],"_given":[null,{extension}]}}]"#),
        format!(r#""name":[{{"_given":{extension}}}]"#),
        r#""_birthDate":{"value":"1990"}"#.to_string(),
    ] {
        assert!(check(&patient(&members)).is_err(), "{members}");
    }
}

#[test]
fn many_faults_are_told_at_once_up_to_a_bound() {
    let members: Vec<String> = (0..50).map(|n| format!(r#""x{n}":1"#)).collect();
    let problem = check(&patient(&members.join(","))).unwrap_err();
    assert_eq!(problem.more.len() + 1, super::FAULTS_MAX);
}

#[test]
fn a_strange_name_is_not_repeated_in_the_answer() {
    let problem = check(&patient(r#""Mary Smith 1990":1"#)).unwrap_err();
    assert!(!format!("{problem:?}").contains("Mary"));
}
