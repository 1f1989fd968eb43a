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

#[test]
fn the_invariants_of_r4_are_held() {
    let observation = |members: &str| {
        format!(
            r#"{{"resourceType":"Observation","status":"final","code":{{"text":"a"}},{members}}}"#
        )
    };
    for (text, expression, rule) in [
        (patient(r#""contact":[{"gender":"male"}]"#), "Patient.contact[0]", "pat-1"),
        (
            patient(r#""name":[{"period":{"start":"2024-02-01","end":"2024-01-01"}}]"#),
            "Patient.name[0].period",
            "per-1",
        ),
        (
            patient(r#""extension":[{"url":"urn:a"}]"#),
            "Patient.extension[0]",
            "ext-1",
        ),
        (
            patient(r##""managingOrganization":{"reference":"#o"}"##),
            "Patient.managingOrganization",
            "ref-1",
        ),
        (
            patient(r#""contained":[{"resourceType":"Organization","id":"o","name":"x"}]"#),
            "Patient",
            "dom-3",
        ),
        (
            patient(r#""text":{"status":"generated","div":"<div><script>x</script></div>"}"#),
            "Patient.text.div",
            "txt-1",
        ),
        (
            observation(r#""valueInteger":1,"dataAbsentReason":{"text":"x"}"#),
            "Observation",
            "obs-6",
        ),
        (
            observation(r#""valueQuantity":{"value":1,"code":"mg"}"#),
            "Observation.value",
            "qty-3",
        ),
        (
            r#"{"resourceType":"Organization","name":"a","telecom":[{"system":"phone","use":"home","value":"1"}]}"#.to_string(),
            "Organization.telecom[0]",
            "org-3",
        ),
    ] {
        let problem = check(&text).unwrap_err();
        assert_eq!(problem.kind, Kind::Invariant, "{text}");
        assert_eq!(problem.expression.as_deref(), Some(expression), "{text}");
        assert!(problem.message.contains(rule), "{problem}");
    }
    let contained = r##""contained":[{"resourceType":"Organization","id":"o","name":"x"}],"managingOrganization":{"reference":"#o"}"##;
    assert_eq!(check(&patient(contained)), Ok(()));
    let status = r#"{"resourceType":"Condition","subject":{"reference":"Patient/1"},"clinicalStatus":{"coding":[{"system":"urn:x","code":"active"}]}}"#;
    assert_eq!(
        fault(status),
        (Kind::CodeInvalid, "Condition.clinicalStatus".to_string())
    );
}

#[test]
fn a_reference_points_at_a_type_that_its_element_allows() {
    let observation = |members: &str| {
        format!(
            r#"{{"resourceType":"Observation","status":"final","code":{{"text":"a"}},{members}}}"#
        )
    };
    let subject = |members: &str| observation(&format!(r#""subject":{{{members}}}"#));
    for members in [
        r#""reference":"Patient/1""#,
        r#""reference":"Patient/1/_history/2""#,
        r#""reference":"https://a.example/fhir/Group/1""#,
        r#""reference":"Patient?identifier=x""#,
        r#""type":"Device","identifier":{"value":"x"}"#,
        // What cannot be told is taken as it is.
        r#""reference":"urn:uuid:11111111-1111-4111-8111-111111111111""#,
        r#""reference":"https://a.example/patients/1""#,
        r#""reference":"Medication/https://a.example/Medication/1""#,
        r#""display":"x""#,
    ] {
        assert_eq!(check(&subject(members)), Ok(()), "{members}");
    }
    for members in [
        r#""reference":"Medication/1""#,
        r#""reference":"Medication/1/_history/2""#,
        r#""reference":"https://a.example/fhir/Medication/1""#,
        r#""reference":"Medication?code=x""#,
        r#""type":"Medication","identifier":{"value":"x"}"#,
    ] {
        let problem = check(&subject(members)).unwrap_err();
        assert_eq!(problem.kind, Kind::Structure, "{members}");
        assert_eq!(
            problem.expression.as_deref(),
            Some("Observation.subject"),
            "{members}"
        );
        let reason =
            "This refers to Medication, and R4 allows here only Device, Group, Location, Patient.";
        assert_eq!(problem.message, reason, "{members}");
    }
    // Any resource may stand in `focus`; of several the wrong one is named.
    let several = r#""focus":[{"reference":"Medication/1"}],"performer":[{"reference":"Practitioner/1"},{"reference":"Encounter/1"}]"#;
    assert_eq!(
        fault(&observation(several)),
        (Kind::Structure, "Observation.performer[1]".to_string())
    );
    let json = subject(r#""reference":"Medication/1""#);
    let json = parse(json.as_bytes(), &Limits::default()).unwrap();
    assert_eq!(super::structure(&json, Definitions::r4()), Ok(()));
}

#[test]
fn what_is_contained_or_in_the_same_bundle_tells_its_own_type() {
    let observation = |contained: &str, subject: &str| {
        format!(
            r##"{{"resourceType":"Observation","status":"final",{contained}"code":{{"text":"a"}},"subject":{{"reference":"{subject}"}}}}"##
        )
    };
    let contained = |ty: &str| format!(r#""contained":[{{"resourceType":"{ty}","id":"a"}}],"#);
    assert_eq!(check(&observation(&contained("Patient"), "#a")), Ok(()));
    assert_eq!(
        fault(&observation(&contained("Medication"), "#a")),
        (Kind::Structure, "Observation.subject".to_string())
    );
    let urn = "urn:uuid:11111111-1111-4111-8111-111111111111";
    let bundle = |ty: &str| {
        let observation = observation("", urn);
        format!(
            r#"{{"resourceType":"Bundle","type":"collection","entry":[{{"resource":{observation}}},{{"fullUrl":"{urn}","resource":{{"resourceType":"{ty}"}}}}]}}"#
        )
    };
    assert_eq!(check(&bundle("Patient")), Ok(()));
    assert_eq!(
        fault(&bundle("Medication")),
        (
            Kind::Structure,
            "Bundle.entry[0].resource.subject".to_string()
        )
    );
}

#[test]
fn every_invariant_of_r4_compiles() {
    let r4 = Definitions::r4();
    let broken: Vec<String> = r4
        .rules
        .iter()
        .filter_map(|rule| {
            let fault = crate::fhirpath::Expression::compile(rule.expression, r4).err()?;
            Some(format!("{}: {fault}", rule.key))
        })
        .collect();
    assert_eq!(broken, [""; 0]);
    let keys: std::collections::HashSet<&str> = r4.rules.iter().map(|rule| rule.key).collect();
    println!("{} rules, {} of them distinct", r4.rules.len(), keys.len());
    assert_eq!(keys.len(), 237);
}

#[test]
fn warnings_are_told_to_who_asks_for_them() {
    let text = patient(r#""active":true"#);
    let json = parse(text.as_bytes(), &Limits::default()).unwrap();
    let issues = super::issues(&json, Definitions::r4(), &crate::fhirpath::R4Only);
    assert_eq!(issues.len(), 1);
    assert_eq!(issues[0].severity, super::Severity::Warning);
    assert!(issues[0].problem.message.contains("dom-6"));
}
