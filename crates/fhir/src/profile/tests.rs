use super::*;
use crate::json::{Limits, parse};
use crate::terminology::Base;
use crate::validate::Severity;

const URL: &str = "http://example.org/StructureDefinition/p";

/// A profile of a type with these elements, with further StructureDefinitions beside it.
fn profiles(ty: &str, elements: &str, further: &[&str]) -> Profiles {
    let own = format!(
        r#"{{"resourceType":"StructureDefinition","url":"{URL}","name":"P","status":"active","kind":"resource","abstract":false,"type":"{ty}","derivation":"constraint","baseDefinition":"http://hl7.org/fhir/StructureDefinition/{ty}","differential":{{"element":[{elements}]}}}}"#
    );
    let texts: Vec<&str> = further.iter().copied().chain([own.as_str()]).collect();
    let json: Vec<Json<'_>> = texts
        .iter()
        .map(|text| parse(text.as_bytes(), &Limits::default()).unwrap())
        .collect();
    Profiles::read(Definitions::r4(), &json).unwrap()
}

/// Severity, kind and place of what is found.
fn found(profiles: &Profiles, resource: &str) -> Vec<(Severity, Kind, String)> {
    let asked = Asked {
        profiles,
        terminology: &Base,
        definitions: Definitions::r4(),
        now: 0,
    };
    let json = parse(resource.as_bytes(), &Limits::default()).unwrap();
    let issues = check(&json, &[URL], &asked).into_iter();
    issues
        .map(|issue| {
            let place = issue.problem.expression.unwrap_or_default();
            (issue.severity, issue.problem.kind, place)
        })
        .collect()
}

fn errors(profiles: &Profiles, resource: &str) -> Vec<(Kind, String)> {
    let all = found(profiles, resource).into_iter();
    all.filter(|(severity, ..)| *severity == Severity::Error)
        .map(|(_, kind, place)| (kind, place))
        .collect()
}

fn one(kind: Kind, place: &str) -> Vec<(Kind, String)> {
    vec![(kind, place.to_string())]
}

const NOTHING: Vec<(Kind, String)> = Vec::new();

#[test]
fn cardinality_fixed_values_patterns_lengths_and_types_are_held() {
    let profile = profiles(
        "Patient",
        r#"{"id":"Patient.name","path":"Patient.name","min":1,"max":"2"},
        {"id":"Patient.name.family","path":"Patient.name.family","min":1,"maxLength":5},
        {"id":"Patient.gender","path":"Patient.gender","fixedCode":"female"},
        {"id":"Patient.maritalStatus","path":"Patient.maritalStatus","patternCodeableConcept":{"coding":[{"code":"M"}]}},
        {"id":"Patient.deceased[x]","path":"Patient.deceased[x]","type":[{"code":"boolean"}]},
        {"id":"Patient.birthDate","path":"Patient.birthDate","minValueDate":"1900-01-01"},
        {"id":"Patient.photo","path":"Patient.photo","max":"0"},
        {"id":"Patient.managingOrganization","path":"Patient.managingOrganization","type":[{"code":"Reference","targetProfile":["http://hl7.org/fhir/StructureDefinition/Organization"]}]},
        {"id":"Patient","path":"Patient","constraint":[{"key":"x-1","severity":"error","human":"A name is used.","expression":"name.all(use.exists())"}]}"#,
        &[],
    );
    let check = |members: &str| {
        errors(
            &profile,
            &format!(r#"{{"resourceType":"Patient",{members}}}"#),
        )
    };
    let name = r#""name":[{"use":"usual","family":"A"}]"#;
    assert_eq!(check(name), NOTHING);
    assert_eq!(
        check(r#""active":true"#),
        one(Kind::Required, "Patient.name")
    );
    assert_eq!(
        check(r#""name":[{"use":"usual","given":["A"]}]"#),
        one(Kind::Required, "Patient.name[0].family")
    );
    assert_eq!(
        check(r#""name":[{"family":"A"}]"#),
        one(Kind::Invariant, "Patient")
    );
    for (member, kind, place) in [
        (r#""gender":"male""#, Kind::Value, "Patient.gender"),
        (
            r#""maritalStatus":{"coding":[{"code":"S"}]}"#,
            Kind::Value,
            "Patient.maritalStatus",
        ),
        (
            r#""deceasedDateTime":"2020""#,
            Kind::Structure,
            "Patient.deceased",
        ),
        (r#""birthDate":"1899""#, Kind::Value, "Patient.birthDate"),
        (
            r#""photo":[{"title":"x"}]"#,
            Kind::Structure,
            "Patient.photo",
        ),
        (
            r#""managingOrganization":{"reference":"Patient/1"}"#,
            Kind::Structure,
            "Patient.managingOrganization",
        ),
    ] {
        assert_eq!(
            check(&format!("{name},{member}")),
            one(kind, place),
            "{member}"
        );
    }
    let good = r#""gender":"female","maritalStatus":{"text":"x","coding":[{"code":"M","display":"m"}]},"deceasedBoolean":true,"managingOrganization":{"reference":"Organization/1"}"#;
    assert_eq!(check(&format!("{name},{good}")), NOTHING);
    let long = r#""name":[{"use":"usual","family":"Abcdef"}]"#;
    assert_eq!(check(long), one(Kind::TooLong, "Patient.name[0].family"));
}

#[test]
fn slices_are_told_apart_by_value_type_existence_and_profile() {
    let by_value = |rules: &str| {
        profiles(
            "Observation",
            &format!(
                r#"{{"id":"Observation.component","path":"Observation.component","slicing":{{"discriminator":[{{"type":"value","path":"code.coding.code"}}],"rules":"{rules}","ordered":true}}}},
        {{"id":"Observation.component:a","path":"Observation.component","sliceName":"a","min":1,"max":"1"}},
        {{"id":"Observation.component:a.code","path":"Observation.component.code","patternCodeableConcept":{{"coding":[{{"code":"A"}}]}}}},
        {{"id":"Observation.component:a.value[x]","path":"Observation.component.value[x]","min":1}},
        {{"id":"Observation.component:b","path":"Observation.component","sliceName":"b"}},
        {{"id":"Observation.component:b.code.coding.code","path":"Observation.component.code.coding.code","fixedCode":"B"}}"#
            ),
            &[],
        )
    };
    let component =
        |code: &str| format!(r#"{{"code":{{"coding":[{{"code":"{code}"}}]}},"valueString":"x"}}"#);
    let resource = |codes: &[&str]| {
        let components: Vec<String> = codes.iter().map(|code| component(code)).collect();
        format!(
            r#"{{"resourceType":"Observation","component":[{}]}}"#,
            components.join(",")
        )
    };
    let open = by_value("open");
    assert_eq!(errors(&open, &resource(&["C", "A", "B"])), NOTHING);
    assert_eq!(
        errors(&open, &resource(&["B", "A"])),
        one(Kind::Structure, "Observation.component")
    );
    assert_eq!(
        errors(&open, &resource(&["B"])),
        one(Kind::Required, "Observation.component")
    );
    assert_eq!(
        errors(&open, &resource(&["A", "A"])),
        one(Kind::Structure, "Observation.component")
    );
    let closed = by_value("closed");
    assert_eq!(
        errors(&closed, &resource(&["A", "C"])),
        one(Kind::Structure, "Observation.component[1]")
    );
    let at_end = by_value("openAtEnd");
    assert_eq!(errors(&at_end, &resource(&["A", "C"])), NOTHING);
    assert_eq!(
        errors(&at_end, &resource(&["C", "A"])),
        one(Kind::Structure, "Observation.component[0]")
    );
    let no_value =
        r#"{"resourceType":"Observation","component":[{"code":{"coding":[{"code":"A"}]}}]}"#;
    assert_eq!(
        errors(&open, no_value),
        one(Kind::Required, "Observation.component[0].value")
    );
    let by_type = profiles(
        "Observation",
        r#"{"id":"Observation.value[x]","path":"Observation.value[x]","slicing":{"discriminator":[{"type":"type","path":"$this"}],"rules":"open"}},
        {"id":"Observation.value[x]:valueQuantity","path":"Observation.value[x]","sliceName":"valueQuantity","type":[{"code":"Quantity"}]},
        {"id":"Observation.value[x]:valueQuantity.code","path":"Observation.value[x].code","min":1}"#,
        &[],
    );
    let quantity = r#"{"resourceType":"Observation","valueQuantity":{"value":1}}"#;
    assert_eq!(
        errors(&by_type, quantity),
        one(Kind::Required, "Observation.value.code")
    );
    assert_eq!(
        errors(
            &by_type,
            r#"{"resourceType":"Observation","valueString":"x"}"#
        ),
        NOTHING
    );
    let by_existence = profiles(
        "Patient",
        r#"{"id":"Patient.name","path":"Patient.name","slicing":{"discriminator":[{"type":"exists","path":"period"}],"rules":"open"}},
        {"id":"Patient.name:current","path":"Patient.name","sliceName":"current","min":1},
        {"id":"Patient.name:current.period","path":"Patient.name.period","max":"0"}"#,
        &[],
    );
    let old = r#"{"resourceType":"Patient","name":[{"text":"x","period":{"start":"2020"}}]}"#;
    assert_eq!(
        errors(&by_existence, old),
        one(Kind::Required, "Patient.name")
    );
    assert_eq!(
        errors(
            &by_existence,
            r#"{"resourceType":"Patient","name":[{"text":"x"}]}"#
        ),
        NOTHING
    );
}

#[test]
fn entries_of_a_bundle_are_sliced_by_their_profile() {
    let named = r#"{"resourceType":"StructureDefinition","url":"http://example.org/named","name":"N","type":"Patient","derivation":"constraint","differential":{"element":[{"path":"Patient.name","min":1}]}}"#;
    let profile = profiles(
        "Bundle",
        r#"{"id":"Bundle.entry","path":"Bundle.entry","slicing":{"discriminator":[{"type":"profile","path":"resource"}],"rules":"open"}},
        {"id":"Bundle.entry:p","path":"Bundle.entry","sliceName":"p","min":1},
        {"id":"Bundle.entry:p.resource","path":"Bundle.entry.resource","type":[{"code":"Patient","profile":["http://example.org/named"]}]}"#,
        &[named],
    );
    let bundle = |members: &str| {
        format!(
            r#"{{"resourceType":"Bundle","type":"collection","entry":[{{"resource":{{"resourceType":"Patient",{members}}}}}]}}"#
        )
    };
    assert_eq!(
        errors(&profile, &bundle(r#""name":[{"text":"x"}]"#)),
        NOTHING
    );
    assert_eq!(
        errors(&profile, &bundle(r#""active":true"#)),
        one(Kind::Required, "Bundle.entry")
    );
}

/// A contained Observation, to which `hasMember` refers.
fn with_member(code: &str) -> String {
    format!(
        r##"{{"resourceType":"Observation","contained":[{{"resourceType":"Observation","id":"m","code":{{"coding":[{{"code":"{code}"}}]}}}}],"hasMember":[{{"reference":"#m"}}]}}"##
    )
}

#[test]
fn references_are_sliced_by_the_type_of_what_they_point_at() {
    let sliced = |rules: &str, path: &str| {
        profiles(
            "Observation",
            &format!(
                r#"{{"id":"Observation.performer","path":"Observation.performer","slicing":{{"discriminator":[{{"type":"type","path":"{path}"}}],"rules":"{rules}"}}}},
        {{"id":"Observation.performer:place","path":"Observation.performer","sliceName":"place","min":1,"max":"1","type":[{{"code":"Reference","targetProfile":["http://hl7.org/fhir/StructureDefinition/Organization","http://hl7.org/fhir/StructureDefinition/CareTeam"]}}]}}"#
            ),
            &[],
        )
    };
    let observation = |performers: &str| {
        format!(
            r##"{{"resourceType":"Observation","contained":[{{"resourceType":"Organization","id":"o"}},{{"resourceType":"Practitioner","id":"p"}}],"performer":[{performers}]}}"##
        )
    };
    for path in ["resolve()", "$this.resolve()"] {
        let open = sliced("open", path);
        for performer in [
            r##"{"reference":"#o"}"##,
            r#"{"reference":"CareTeam/1"}"#,
            r#"{"reference":"https://a.example/fhir/Organization/1/_history/2"}"#,
            r#"{"type":"Organization","identifier":{"value":"x"}}"#,
            r##"{"reference":"#p"},{"reference":"#o"}"##,
        ] {
            assert!(
                found(&open, &observation(performer)).is_empty(),
                "{path} {performer}"
            );
        }
        for performer in [
            r##"{"reference":"#p"}"##,
            r#"{"reference":"Practitioner/1"}"#,
            r#"{"type":"Practitioner","display":"x"}"#,
        ] {
            assert_eq!(
                errors(&open, &observation(performer)),
                one(Kind::Required, "Observation.performer"),
                "{path} {performer}"
            );
        }
    }
    let closed = sliced("closed", "resolve()");
    assert_eq!(
        errors(
            &closed,
            &observation(r##"{"reference":"#o"},{"reference":"#p"}"##)
        ),
        one(Kind::Structure, "Observation.performer[1]")
    );
    // What cannot be told is no fault, and said.
    let untold = [(
        Severity::Information,
        Kind::Incomplete,
        "Observation.performer[0]".to_string(),
    )];
    for performer in [
        r#"{"display":"x"}"#,
        r#"{"reference":"urn:uuid:11111111-1111-4111-8111-111111111111"}"#,
    ] {
        assert_eq!(
            found(&closed, &observation(performer)),
            untold,
            "{performer}"
        );
    }
    let two = observation(r##"{"reference":"#o"},{"reference":"CareTeam/1"}"##);
    assert_eq!(
        errors(&closed, &two),
        one(Kind::Structure, "Observation.performer")
    );
}

#[test]
fn references_are_sliced_by_values_and_profiles_of_what_they_point_at() {
    let pulse = r#"{"resourceType":"StructureDefinition","url":"http://example.org/pulse","name":"N","type":"Observation","derivation":"constraint","differential":{"element":[{"path":"Observation.code","patternCodeableConcept":{"coding":[{"code":"P"}]}}]}}"#;
    for (kind, path) in [("value", "resolve().code"), ("profile", "resolve()")] {
        let profile = profiles(
            "Observation",
            &format!(
                r#"{{"id":"Observation.hasMember","path":"Observation.hasMember","slicing":{{"discriminator":[{{"type":"{kind}","path":"{path}"}}],"rules":"closed"}}}},
        {{"id":"Observation.hasMember:pulse","path":"Observation.hasMember","sliceName":"pulse","min":1,"type":[{{"code":"Reference","targetProfile":["http://example.org/pulse"]}}]}}"#
            ),
            &[pulse],
        );
        assert_eq!(errors(&profile, &with_member("P")), NOTHING, "{kind}");
        assert_eq!(
            errors(&profile, &with_member("Q")),
            [
                (Kind::Structure, "Observation.hasMember[0]".to_string()),
                (Kind::Required, "Observation.hasMember".to_string()),
            ],
            "{kind}"
        );
        let elsewhere =
            r#"{"resourceType":"Observation","hasMember":[{"reference":"Observation/9"}]}"#;
        assert_eq!(
            found(&profile, elsewhere),
            [(
                Severity::Information,
                Kind::Incomplete,
                "Observation.hasMember[0]".to_string()
            )],
            "{kind}"
        );
    }
}

#[test]
fn extensions_follow_their_definition_and_stand_where_it_says() {
    let extension = r#"{"resourceType":"StructureDefinition","url":"http://example.org/ext","name":"E","type":"Extension","derivation":"constraint","context":[{"type":"element","expression":"Patient.contact"}],"differential":{"element":[{"path":"Extension.url","fixedUri":"http://example.org/ext"},{"path":"Extension.value[x]","min":1,"type":[{"code":"code"}]}]}}"#;
    let profile = profiles("Patient", r#"{"path":"Patient"}"#, &[extension]);
    let contact = |value: &str| {
        format!(
            r#"{{"resourceType":"Patient","contact":[{{"extension":[{{"url":"http://example.org/ext",{value}}}]}}]}}"#
        )
    };
    assert_eq!(errors(&profile, &contact(r#""valueCode":"a""#)), NOTHING);
    assert_eq!(
        errors(&profile, &contact(r#""valueString":"a""#)),
        one(Kind::Structure, "Patient.contact[0].extension[0].value")
    );
    let elsewhere = r#"{"resourceType":"Patient","name":[{"extension":[{"url":"http://example.org/ext","valueCode":"a"}]}]}"#;
    assert_eq!(
        errors(&profile, elsewhere),
        one(Kind::Structure, "Patient.name[0].extension[0]")
    );
    let unknown = r#"{"resourceType":"Patient","extension":[{"url":"http://example.org/other","valueCode":"a"}],"modifierExtension":[{"url":"http://example.org/other","valueCode":"a"}]}"#;
    let severities: Vec<Severity> = found(&profile, unknown)
        .into_iter()
        .map(|(severity, ..)| severity)
        .collect();
    assert_eq!(severities, [Severity::Information, Severity::Warning]);
}

#[test]
fn what_nobody_knows_is_told_and_does_not_refuse() {
    let profile = profiles(
        "Patient",
        r#"{"path":"Patient.maritalStatus","binding":{"strength":"required","valueSet":"http://example.org/vs"}},
        {"path":"Patient.gender","binding":{"strength":"required","valueSet":"http://hl7.org/fhir/ValueSet/name-use"}}"#,
        &[],
    );
    let unknown = r#"{"resourceType":"Patient","meta":{"profile":["http://example.org/nowhere"]},"maritalStatus":{"coding":[{"system":"urn:x","code":"y"}]}}"#;
    let severities: Vec<Severity> = found(&profile, unknown)
        .into_iter()
        .map(|(severity, ..)| severity)
        .collect();
    assert_eq!(severities, [Severity::Warning, Severity::Information]);
    let known = r#"{"resourceType":"Patient","gender":"male"}"#;
    assert_eq!(
        errors(&profile, known),
        one(Kind::CodeInvalid, "Patient.gender")
    );
}

#[test]
fn profiles_that_ask_for_each_other_end() {
    let other = format!(
        r#"{{"resourceType":"StructureDefinition","url":"http://example.org/q","name":"Q","type":"Patient","derivation":"constraint","baseDefinition":"{URL}","differential":{{"element":[{{"path":"Patient","constraint":[{{"key":"q-1","severity":"error","expression":"conformsTo('{URL}')"}}]}}]}}}}"#
    );
    let profile = profiles(
        "Patient",
        r#"{"path":"Patient","constraint":[{"key":"p-1","severity":"error","expression":"conformsTo('http://example.org/q')"}]},
        {"path":"Patient.contained","type":[{"code":"Patient","profile":["http://example.org/StructureDefinition/p"]}]}"#,
        &[&other],
    );
    found(
        &profile,
        r#"{"resourceType":"Patient","contained":[{"resourceType":"Patient","id":"a"}]}"#,
    );
}
