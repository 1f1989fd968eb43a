use std::path::{Path, PathBuf};

use super::{Form, apply};
use crate::definitions::Definitions;
use crate::json::{Json, Limits, parse};
use crate::problem::Kind;
use crate::validate::validate;
use crate::xml;

fn patched(resource: &str, patch: &str, form: Form) -> Result<String, Kind> {
    let limits = Limits::default();
    let resource = parse(resource.as_bytes(), &limits).unwrap();
    let patch = parse(patch.as_bytes(), &limits).unwrap();
    let done = apply(resource, &patch, form, &limits).map_err(|problem| problem.kind)?;
    Ok(String::from_utf8(done.to_bytes()).unwrap())
}

fn by_json(resource: &str, patch: &str) -> Result<String, Kind> {
    patched(resource, patch, Form::Json)
}

/// A FHIRPath Patch of operations: each its type, path, and further parts in JSON.
fn by_path(resource: &str, operations: &[(&str, &str, &str)]) -> Result<String, Kind> {
    let operation = |(kind, path, more): &(&str, &str, &str)| {
        let comma = if more.is_empty() { "" } else { "," };
        format!(
            r#"{{"name":"operation","part":[{{"name":"type","valueCode":"{kind}"}},{{"name":"path","valueString":"{path}"}}{comma}{more}]}}"#
        )
    };
    let operations: Vec<String> = operations.iter().map(operation).collect();
    let patch = format!(
        r#"{{"resourceType":"Parameters","parameter":[{}]}}"#,
        operations.join(",")
    );
    patched(resource, &patch, Form::FhirPath)
}

fn sorted<'a>(json: &Json<'a>) -> Json<'a> {
    match json {
        Json::Object(members) => {
            let members = members.iter();
            let mut members: Vec<_> = members
                .map(|(name, value)| (name.clone(), sorted(value)))
                .collect();
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            Json::Object(members)
        }
        Json::Array(items) => Json::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

#[test]
fn json_patches_do_what_the_rfc_says() {
    let p = r#"{"resourceType":"Patient","name":[{"family":"A"},{"family":"B"}],"n":1.50}"#;
    for (patch, expected) in [
        (r#"[]"#, p),
        (
            r#"[{"op":"add","path":"/name/1","value":{"family":"X"}},{"op":"remove","path":"/name/0"}]"#,
            r#"{"resourceType":"Patient","name":[{"family":"X"},{"family":"B"}],"n":1.50}"#,
        ),
        (
            r#"[{"op":"add","path":"/name/-","value":{"family":"~"}},{"op":"add","path":"/a~1b~0c","value":null}]"#,
            r#"{"resourceType":"Patient","name":[{"family":"A"},{"family":"B"},{"family":"~"}],"n":1.50,"a/b~c":null}"#,
        ),
        (
            r#"[{"op":"move","from":"/name/0","path":"/name/1"},{"op":"copy","from":"/name/0/family","path":"/name/1/family"}]"#,
            r#"{"resourceType":"Patient","name":[{"family":"B"},{"family":"B"}],"n":1.50}"#,
        ),
        (
            r#"[{"op":"test","path":"/n","value":1.5},{"op":"test","path":"/name/0","value":{"family":"A"}},{"op":"replace","path":"/n","value":2.0}]"#,
            r#"{"resourceType":"Patient","name":[{"family":"A"},{"family":"B"}],"n":2.0}"#,
        ),
    ] {
        assert_eq!(by_json(p, patch).as_deref(), Ok(expected), "{patch}");
    }
    for (patch, kind) in [
        (r#"{}"#, Kind::Invalid),
        (r#"[1]"#, Kind::Invalid),
        (r#"[{"op":"brew","path":"/n"}]"#, Kind::Invalid),
        (r#"[{"op":"add","path":"n","value":1}]"#, Kind::Invalid),
        (r#"[{"op":"add","path":"/x"}]"#, Kind::Invalid),
        (r#"[{"op":"remove","path":"/name/01"}]"#, Kind::Invalid),
        (r#"[{"op":"remove","path":"/name/2"}]"#, Kind::Processing),
        (r#"[{"op":"remove","path":""}]"#, Kind::Processing),
        (
            r#"[{"op":"replace","path":"/x","value":1}]"#,
            Kind::Processing,
        ),
        (
            r#"[{"op":"add","path":"/name/3","value":1}]"#,
            Kind::Processing,
        ),
        (
            r#"[{"op":"add","path":"/n/x","value":1}]"#,
            Kind::Processing,
        ),
        (r#"[{"op":"test","path":"/n","value":2}]"#, Kind::Processing),
        (
            r#"[{"op":"move","from":"/name","path":"/name/0"}]"#,
            Kind::Processing,
        ),
    ] {
        assert_eq!(by_json(p, patch), Err(kind), "{patch}");
    }
}

#[test]
fn a_patch_cannot_grow_without_bound() {
    let p = r#"{"resourceType":"Patient","a":{}}"#;
    let wide: Vec<String> = (0..60)
        .map(|n| format!(r#"{{"op":"copy","from":"/a","path":"/a/{n}"}}"#))
        .collect();
    assert_eq!(
        by_json(p, &format!("[{}]", wide.join(","))),
        Err(Kind::TooCostly)
    );
    let many = vec![r#"{"op":"add","path":"/b","value":1}"#; 1001].join(",");
    assert_eq!(by_json(p, &format!("[{many}]")), Err(Kind::TooCostly));
}

#[test]
fn fhirpath_patches_know_types_lists_and_what_stands_beside_a_value() {
    let p = r#"{"resourceType":"Patient","name":[{"use":"official","given":["A",null],"_given":[null,{"id":"g"}]},{"use":"usual"}],"birthDate":"1970","_birthDate":{"id":"b"},"deceasedBoolean":false}"#;
    let done = by_path(
        p,
        &[
            (
                "delete",
                "Patient.name.where(use = 'official').given[0]",
                "",
            ),
            (
                "replace",
                "Patient.deceased",
                r#"{"name":"value","valueDateTime":"2026"}"#,
            ),
            (
                "replace",
                "Patient.birthDate",
                r#"{"name":"value","valueDate":"1971"}"#,
            ),
            (
                "add",
                "Patient.name[1]",
                r#"{"name":"name","valueString":"given"},{"name":"value","valueString":"C"}"#,
            ),
            (
                "add",
                "Patient.birthDate",
                r#"{"name":"name","valueString":"extension"},{"name":"value","valueExtension":{"url":"http://e.example","valueCode":"x"}}"#,
            ),
        ],
    );
    assert_eq!(
        done.unwrap(),
        r#"{"resourceType":"Patient","name":[{"use":"official","_given":[{"id":"g"}]},{"use":"usual","given":["C"]}],"birthDate":"1971","deceasedDateTime":"2026","_birthDate":{"extension":[{"url":"http://e.example","valueCode":"x"}]}}"#
    );
    let value = r#"{"name":"value","valueString":"x"}"#;
    for (kind, path, more, expected) in [
        ("delete", "Patient.name", "", Kind::Processing),
        ("delete", "Group.name", "", Kind::Invalid),
        ("delete", "Patient.nam", "", Kind::Invalid),
        ("delete", "Patient", "", Kind::Processing),
        ("delete", "Patient.name.select(use)", "", Kind::Invalid),
        ("delete", "Patient.name[", "", Kind::Invalid),
        ("delete", "", "", Kind::Invalid),
        ("replace", "Patient.gender", value, Kind::Processing),
        ("replace", "Patient.birthDate", "", Kind::Invalid),
        (
            "move",
            "Patient.name",
            r#"{"name":"source","valueInteger":0},{"name":"destination","valueInteger":2}"#,
            Kind::Processing,
        ),
        (
            "insert",
            "Patient.name",
            r#"{"name":"index","valueInteger":3},{"name":"value","valueHumanName":{"text":"x"}}"#,
            Kind::Processing,
        ),
        ("brew", "Patient.name", "", Kind::Invalid),
    ] {
        assert_eq!(
            by_path(p, &[(kind, path, more)]),
            Err(expected),
            "{kind} {path}"
        );
    }
    // What is not there is deleted already.
    assert!(by_path(p, &[("delete", "Patient.gender", "")]).is_ok());
}

fn cases() -> Option<String> {
    let shared = std::env::var_os("HANDOVER_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let file = shared.join("data/fhir-test-cases/r4/patch/fhir-patch-tests.xml");
    std::fs::read_to_string(file).ok()
}

/// What stands between two tags, as JSON.
fn inner(case: &str, tag: &str) -> Option<String> {
    let (_, rest) = case.split_once(&format!("<{tag}>"))?;
    let (text, _) = rest.split_once(&format!("</{tag}>"))?;
    let json = xml::to_json(text.trim().as_bytes(), &Limits::default());
    let json = json.unwrap_or_else(|problem| panic!("{problem:?}: {text}"));
    Some(String::from_utf8(json).unwrap())
}

#[test]
fn the_official_fhirpath_patches_do_as_their_publisher_says() {
    let Some(text) = cases() else {
        assert!(
            std::env::var_os("CI").is_none(),
            "the official cases must be here in CI"
        );
        println!("SKIPPED: the official patch cases are not here");
        return;
    };
    // The file's line ends are not part of what it says.
    let text = text.replace('\r', "");
    let limits = Limits::default();
    let mut done = 0;
    for case in text.split("<case ").skip(1) {
        let name = case.split('"').nth(1).unwrap();
        let (input, diff) = (inner(case, "input").unwrap(), inner(case, "diff").unwrap());
        let outcome = patched(&input, &diff, Form::FhirPath);
        match inner(case, "output") {
            Some(expected) => {
                // The narrative comes as a value, in which a quote is a quote.
                let expected = expected.replace("&quot;", "\\\"");
                let outcome = outcome.unwrap_or_else(|kind| panic!("{name}: {kind:?}"));
                let (outcome, expected) = (
                    parse(outcome.as_bytes(), &limits).unwrap(),
                    parse(expected.as_bytes(), &limits).unwrap(),
                );
                assert_eq!(sorted(&outcome), sorted(&expected), "{name}");
                // Some of the publisher's own outcomes leave a contact without a name (pat-1).
                if let Err(problem) = validate(&outcome, Definitions::r4()) {
                    assert_eq!(problem.kind, Kind::Invariant, "{name}: {problem:?}");
                }
            }
            None => assert!(outcome.is_err(), "{name}"),
        }
        done += 1;
    }
    println!("{done} official patches do as their publisher says");
    assert_eq!(done, 33);
}

#[test]
fn a_path_that_nests_or_goes_on_for_ever_is_refused_by_name() {
    let limits = Limits::default();
    let refused = |patch: String, form| {
        let resource = parse(br#"{"resourceType":"Patient","active":true}"#, &limits).unwrap();
        let patch = parse(patch.as_bytes(), &limits).unwrap();
        let problem = apply(resource, &patch, form, &limits).unwrap_err();
        (problem.kind, problem.message.to_string())
    };
    let by_path = |path: &str| {
        let patch = format!(
            r#"{{"resourceType":"Parameters","parameter":[{{"name":"operation","part":[{{"name":"type","valueCode":"delete"}},{{"name":"path","valueString":"{path}"}}]}}]}}"#
        );
        refused(patch, Form::FhirPath)
    };
    let nested = |deep: usize| {
        let (open, close) = ("$this.where(".repeat(deep), ").exists()".repeat(deep));
        format!("Patient.where({open}active.exists(){close})")
    };
    // Eight levels are taken: what is refused is to delete the resource.
    assert_eq!(by_path(&nested(7)).0, Kind::Processing);
    let (kind, message) = by_path(&nested(8));
    assert_eq!(kind, Kind::TooCostly);
    assert!(message.contains("where(active.exists())"), "{message}");
    for deep in [400, 100_000] {
        let (kind, message) = by_path(&nested(deep));
        assert_eq!(kind, Kind::TooCostly);
        assert!(message.contains("Patient.where($this"), "{message}");
    }
    let long = format!("/active{}", "/a".repeat(3000));
    let (kind, message) = refused(
        format!(r#"[{{"op":"remove","path":"{long}"}}]"#),
        Form::Json,
    );
    assert_eq!(kind, Kind::TooCostly);
    assert!(message.contains("/active/a"), "{message}");
}
