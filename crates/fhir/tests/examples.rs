//! Every official example of R4 goes in and comes out the same, but for what the server sets in
//! `meta`. The examples are npm's `hl7.fhir.r4.examples`, brought by `cargo xtask`; without them
//! the test says so and passes.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use fhir::definitions::Definitions;
use fhir::json::{Json, Limits, parse};
use fhir::resource::{self, Body};
use fhir::validate::validate;
use fhir::xml;

/// Examples that break a rule of R4 themselves, each with the rule: these are refused. (They too come
/// out the same where nothing checks them.)
const NOT_VALID: &[(&str, &str)] = &[
    (
        "Bundle-dataelements.json",
        "bdl-7: seven of its 6,781 entries have the fullUrl of another",
    ),
    (
        "DeviceMetric-example.json",
        "DeviceMetric.parent points at a DeviceDefinition, where R4 allows only a Device",
    ),
    (
        "DeviceUseStatement-example.json",
        "DeviceUseStatement.reasonReference points at a Procedure, which R4 does not allow there",
    ),
    (
        "ImplementationGuide-fhir.json",
        "no ImplementationGuide.name and status",
    ),
    (
        "MedicationRequest-medrx0301.json",
        "MedicationRequest.dispenseRequest.performer points at a Practitioner, where R4 allows only an Organization",
    ),
    (
        "Observation-clinical-gender.json",
        "Observation.performer points at an Encounter, which R4 does not allow there",
    ),
    ("Questionnaire-qs1.json", "no Questionnaire.item.linkId"),
    (
        "SearchParameter-codesystem-extensions-CodeSystem-author.json",
        "no SearchParameter.base",
    ),
    (
        "SearchParameter-codesystem-extensions-CodeSystem-effective.json",
        "no SearchParameter.base",
    ),
    (
        "SearchParameter-codesystem-extensions-CodeSystem-end.json",
        "no SearchParameter.base",
    ),
    (
        "SearchParameter-codesystem-extensions-CodeSystem-keyword.json",
        "no SearchParameter.base",
    ),
    (
        "SearchParameter-codesystem-extensions-CodeSystem-workflow.json",
        "no SearchParameter.base",
    ),
    (
        "SearchParameter-questionnaireresponse-extensions-QuestionnaireResponse-item-subject.json",
        "the id is longer than 64 characters",
    ),
    (
        "SearchParameter-valueset-extensions-ValueSet-author.json",
        "no SearchParameter.base",
    ),
    (
        "SearchParameter-valueset-extensions-ValueSet-effective.json",
        "no SearchParameter.base",
    ),
    (
        "SearchParameter-valueset-extensions-ValueSet-end.json",
        "no SearchParameter.base",
    ),
    (
        "SearchParameter-valueset-extensions-ValueSet-keyword.json",
        "no SearchParameter.base",
    ),
    (
        "SearchParameter-valueset-extensions-ValueSet-workflow.json",
        "no SearchParameter.base",
    ),
    (
        "StructureDefinition-Definition.json",
        "sdf-4: neither abstract nor with a baseDefinition",
    ),
    (
        "StructureDefinition-Event.json",
        "sdf-4: neither abstract nor with a baseDefinition",
    ),
    (
        "StructureDefinition-FiveWs.json",
        "sdf-4: neither abstract nor with a baseDefinition",
    ),
    (
        "StructureDefinition-Request.json",
        "sdf-4: neither abstract nor with a baseDefinition",
    ),
    ("ig-r4.json", "no ImplementationGuide.name and status"),
];

const LIMITS: Limits = Limits {
    depth: 64,
    bytes: 64 << 20,
    nodes: 4_000_000,
};

fn folder() -> Option<PathBuf> {
    let assets = std::env::var_os("HANDOVER_ASSETS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/assets"),
        PathBuf::from,
    );
    let folder = assets.join("node_modules/hl7.fhir.r4.examples");
    folder.is_dir().then_some(folder)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".json") && name != "package.json" && !name.starts_with('.'))
        .collect();
    names.sort();
    names
}

/// The resource without what the server sets.
fn without_versions(json: &Json<'_>) -> Vec<(String, Vec<u8>)> {
    let mut members = Vec::new();
    for (name, value) in json.as_object().unwrap() {
        if name != "meta" {
            members.push((name.to_string(), value.to_bytes()));
            continue;
        }
        let kept = value.as_object().unwrap().iter();
        let kept: Vec<_> = kept
            .filter(|(name, _)| name != "versionId" && name != "lastUpdated")
            .cloned()
            .collect();
        if !kept.is_empty() {
            members.push((name.to_string(), Json::Object(kept).to_bytes()));
        }
    }
    members
}

/// What is wrong with an example, if anything.
fn fault(came: &Json<'_>) -> Option<String> {
    let id = resource::type_and_id(came).map(|_| ());
    let structure = validate(came, Definitions::r4());
    structure
        .and(id)
        .err()
        .map(|problem| format!("{problem:?}"))
}

/// Whether it is the same after it was stored and rendered.
fn comes_out_the_same(came: &Json<'_>) -> bool {
    let id = came.text("id");
    let body = Body::new(came, id.unwrap_or("made-here"));
    let rendered = Body::render(&body.bytes, body.splice, 7, 1_700_000_000_000);
    let went = parse(&rendered, &LIMITS).unwrap();
    assert_eq!(went.get("meta").unwrap().text("versionId"), Some("7"));
    let (came, mut went) = (without_versions(came), without_versions(&went));
    if id.is_none() {
        went.retain(|(name, _)| name != "id");
    }
    came == went
}

/// Members in the order of their names: JSON gives their order no meaning, and XML has one of its
/// own. Everything else is as it was.
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

/// Whether even the order of its members is the same after XML and back.
///
/// # Errors
/// What else is different, to the digit.
fn after_xml(came: &Json<'_>) -> Result<bool, String> {
    let written = xml::from_json(came, &LIMITS, false).map_err(|problem| format!("{problem:?}"))?;
    let read = xml::to_json(&written, &LIMITS).map_err(|problem| format!("{problem:?}"))?;
    if read == came.to_bytes() {
        return Ok(true);
    }
    let read = parse(&read, &LIMITS).unwrap();
    let (came, read) = (sorted(came).to_bytes(), sorted(&read).to_bytes());
    let at = came.iter().zip(&read).position(|(came, read)| came != read);
    if at.is_none() && came.len() == read.len() {
        return Ok(false);
    }
    let at = at.unwrap_or(came.len().min(read.len()));
    let shown = |bytes: &[u8]| {
        let piece = bytes.get(at.saturating_sub(40)..(at + 40).min(bytes.len()));
        String::from_utf8_lossy(piece.unwrap_or_default()).into_owned()
    };
    Err(format!("{} became {}", shown(&came), shown(&read)))
}

#[test]
fn every_official_example_goes_in_and_comes_out_the_same() {
    let Some(folder) = folder() else {
        println!("SKIPPED: the R4 examples are not here; `cargo xtask test` brings them");
        assert!(
            std::env::var_os("CI").is_none(),
            "the R4 examples must be here in CI"
        );
        return;
    };
    let names = names(&folder);
    let (mut faults, mut through_xml, mut in_order) = (Vec::new(), Vec::new(), 0);
    for name in &names {
        let bytes = std::fs::read(folder.join(name)).unwrap();
        let came = parse(&bytes, &LIMITS).unwrap();
        let found = fault(&came);
        assert!(comes_out_the_same(&came), "{name} comes out different");
        match after_xml(&came) {
            Ok(same_order) => in_order += usize::from(same_order),
            Err(difference) => through_xml.push(format!("{name}: {difference}")),
        }
        let expected = NOT_VALID.iter().find(|(known, _)| known == name);
        match (found, expected) {
            (Some(found), None) => faults.push(format!("{name}: {found}")),
            (None, Some((_, rule))) => faults.push(format!("{name} was to break a rule: {rule}")),
            _ => {}
        }
    }
    println!(
        "{} of {} examples of R4 went to XML and came back the same, {in_order} with all members in their order",
        names.len() - through_xml.len(),
        names.len()
    );
    assert!(through_xml.is_empty(), "{}", through_xml.join("\n"));
    println!(
        "{} of {} examples of R4 went in and came out the same; {} break R4 and were refused",
        names.len() - NOT_VALID.len(),
        names.len(),
        NOT_VALID.len()
    );
    assert!(
        faults.is_empty(),
        "{} of {}:\n{}",
        faults.len(),
        names.len(),
        faults.join("\n")
    );
    assert_eq!(names.len(), 5306);
}

/// Questionnaires among the examples that cannot be answered on a page here, each with the reason.
const NOT_ANSWERED: &[(&str, &str)] = &[("Questionnaire-qs1.json", "needs a linkId")];

#[test]
fn every_questionnaire_of_the_examples_is_read_as_a_form_or_refused_with_a_named_reason() {
    let Some(folder) = folder() else {
        println!("SKIPPED: the R4 examples are not here; `cargo xtask test` brings them");
        return;
    };
    let (mut read, mut all, mut faults) = (0, 0, Vec::new());
    for name in names(&folder) {
        let bytes = std::fs::read(folder.join(&name)).unwrap();
        let value: serde_json::Value = match serde_json::from_slice(&bytes) {
            Ok(value) => value,
            Err(_) => continue,
        };
        if value["resourceType"] != "Questionnaire" {
            continue;
        }
        all += 1;
        let expected = NOT_ANSWERED.iter().find(|(known, _)| *known == name);
        match (fhir::questionnaire::Form::read(&value), expected) {
            (Ok(_), None) => read += 1,
            (Err(problem), Some((_, reason))) if problem.to_string().contains(reason) => {
                println!("{name} is refused: {problem}");
            }
            (found, _) => faults.push(format!("{name}: {:?}", found.map(|_| "read"))),
        }
    }
    println!("{read} of {all} Questionnaires of the R4 examples are read as forms");
    assert!(all > 0 && faults.is_empty(), "{}", faults.join("\n"));
}
