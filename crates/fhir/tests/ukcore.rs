//! UK Core: every profile loads, and its examples validate as their authors meant. The files are in
//! the project's shared data, not in the repository; without them the test says so and passes.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};

use fhir::definitions::Definitions;
use fhir::json::{Json, Limits, parse};
use fhir::profile::{Asked, Profiles, check};
use fhir::terminology::Base;
use fhir::validate::{Issue, Severity, issues};

/// Examples that are not valid, with what is wrong with them. Nothing else may be refused.
const NOT_VALID: &[(&str, &str)] = &[(
    "Extension-UKCore-ConditionEpisode-Example",
    "the extension has both valueCode and valueCodeableConcept",
)];

fn folder() -> Option<PathBuf> {
    let shared = std::env::var_os("HANDOVER_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let folder = shared.join("data/nhs/ukcore");
    folder.is_dir().then_some(folder)
}

/// File name and JSON of each resource in a folder.
fn resources(folder: &Path) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let bytes = std::fs::read(&path).unwrap();
            let json = fhir::xml::to_json(&bytes, &Limits::default()).unwrap();
            let name = path.file_stem().unwrap().to_str().unwrap().to_string();
            (name, String::from_utf8(json).unwrap())
        })
        .collect();
    found.sort();
    found
}

fn json(text: &str) -> Json<'_> {
    parse(text.as_bytes(), &Limits::default()).unwrap()
}

/// The profile that an example is of: what its name says.
fn profile(name: &str, resource: &Json<'_>, profiles: &Profiles) -> Option<String> {
    let ty = resource.text("resourceType")?;
    let base = "https://fhir.hl7.org.uk/StructureDefinition/";
    let parts: Vec<&str> = name.split('-').collect();
    // UKCore-Observation-VitalSigns-BMI-Example is of UKCore-Observation-VitalSigns-BMI.
    let longest = (2..parts.len()).rev().map(|count| parts[..count].join("-"));
    longest
        .chain([format!("UKCore-{ty}")])
        .map(|name| format!("{base}{name}"))
        .find(|url| profiles.find(url).is_some_and(|found| found.ty == ty))
}

fn errors(found: &[Issue]) -> Vec<String> {
    let errors = found
        .iter()
        .filter(|issue| issue.severity == Severity::Error);
    errors.map(|issue| issue.problem.to_string()).collect()
}

#[test]
fn uk_core_loads_whole_and_its_examples_validate_as_meant() {
    let Some(folder) = folder() else {
        println!("SKIPPED: UK Core is not here");
        return;
    };
    let r4 = Definitions::r4();
    let structures = resources(&folder.join("structuredefinitions"));
    let structures: Vec<Json<'_>> = structures.iter().map(|(_, text)| json(text)).collect();
    for structure in &structures {
        assert_eq!(
            errors(&issues(structure, r4, &fhir::fhirpath::R4Only)),
            [""; 0]
        );
    }
    let profiles = Profiles::read(r4, &structures).unwrap();
    println!(
        "{} of {} StructureDefinitions of UK Core loaded",
        profiles.len(),
        structures.len()
    );
    assert_eq!(profiles.missing_bases(r4), [""; 0]);
    let asked = Asked {
        profiles: &profiles,
        terminology: &Base,
        definitions: r4,
        now: 1_795_373_765_123,
    };
    let examples = resources(&folder.join("examples"));
    let (mut faults, mut profiled) = (Vec::new(), 0);
    for (name, text) in &examples {
        let resource = json(text);
        let further = profile(name, &resource, &profiles);
        profiled += usize::from(further.is_some());
        let further: Vec<&str> = further.iter().map(String::as_str).collect();
        let mut found = issues(&resource, r4, &asked);
        found.extend(check(&resource, &further, &asked));
        let found = errors(&found);
        let is_listed = NOT_VALID.iter().any(|(known, _)| known == name);
        if found.is_empty() == is_listed {
            faults.push(format!("{name} {further:?}: {found:#?}"));
        }
    }
    println!(
        "{} examples, {profiled} of a profile by their names, {} not valid",
        examples.len(),
        NOT_VALID.len()
    );
    assert!(
        faults.is_empty(),
        "{} of {}:\n{}",
        faults.len(),
        examples.len(),
        faults.join("\n")
    );
    assert!(examples.len() >= 140 && profiled >= 100);
}
