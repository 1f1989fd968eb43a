//! The shared examples, and what tests do with them.

#![allow(dead_code, reason = "each test binary uses its part")]

use hl7v2::to_fhir::{Context, Unidentified};
use serde_json::Value;
use std::path::PathBuf;

/// The shared examples; `None` (said loudly) where they are not there.
pub fn shared(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("HANDOVER_SHARED")
        .map(PathBuf::from)
        .unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    let path = root.join("data").join(folder);
    if path.is_dir() {
        return Some(path);
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "the shared data is missing: {folder}"
    );
    eprintln!("SKIPPED: the shared data is not there: {folder}");
    None
}

/// Every shared HL7 v2 message with its path.
pub fn examples() -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = shared("hl7v2").into_iter().collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "hl7" || e == "txt") {
                found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// What the tests translate with.
pub fn context() -> Context {
    Context {
        received_at: 1_714_559_400_000,
        zone: hl7v2::time::Zone::London,
        organisation: "RXX01".into(),
        unidentified: Unidentified::Refuse,
    }
}

/// What `fhir` says of a resource.
pub fn fault(resource: &Value) -> Option<String> {
    let bytes = serde_json::to_vec(resource).unwrap();
    let json = match fhir::json::parse(&bytes, &fhir::json::Limits::default()) {
        Ok(json) => json,
        Err(problem) => return Some(problem.to_string()),
    };
    let definitions = fhir::definitions::Definitions::r4();
    fhir::validate::structure(&json, definitions)
        .err()
        .map(|p| format!("{p:?}"))
}
