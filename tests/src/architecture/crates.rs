//! Which crate may know which, and who may do I/O.

use std::process::Command;

use serde_json::Value;

use crate::setting::root;

/// Each crate and the crates of ours that it may use: arrows point down only.
const ARROWS: &[(&str, &[&str])] = &[
    ("fhir", &[]),
    ("access", &["fhir"]),
    ("hl7v2", &["fhir"]),
    ("store", &["access", "fhir"]),
    ("exchange", &["store", "hl7v2", "access", "fhir"]),
    ("web", &["exchange", "store", "hl7v2", "access", "fhir"]),
    (
        "handover",
        &["web", "exchange", "store", "hl7v2", "access", "fhir"],
    ),
];

/// Crates from outside and the only crates of ours that may use them.
const KEPT_TO: &[(&str, &[&str])] = &[
    ("tokio", &["store", "exchange", "web", "handover"]),
    ("futures-util", &["store", "exchange", "web"]),
    ("rusqlite", &["store"]),
    ("tokio-postgres", &["store"]),
    ("deadpool-postgres", &["store"]),
    ("axum", &["web"]),
    ("tower", &["web"]),
    ("tower-http", &["web"]),
    ("hyper", &["exchange", "web"]),
    ("hyper-util", &["exchange", "web"]),
    ("tokio-rustls", &["exchange", "web"]),
    ("minijinja", &["web"]),
    ("anyhow", &["handover"]),
    ("clap", &["handover"]),
];

/// The workspace's own packages under crates/, each with what it uses outside its tests.
fn packages() -> Vec<(String, Vec<String>)> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--offline",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names = |package: &Value| {
        let dependencies = package["dependencies"].as_array().unwrap();
        let normal = dependencies
            .iter()
            .filter(|dependency| dependency["kind"].is_null());
        normal
            .map(|dependency| dependency["name"].as_str().unwrap().to_owned())
            .collect()
    };
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|package| {
            package["manifest_path"]
                .as_str()
                .unwrap()
                .contains("/crates/")
        })
        .map(|package| (package["name"].as_str().unwrap().to_owned(), names(package)))
        .collect()
}

#[test]
fn arrows_between_crates_point_down_only() {
    let packages = packages();
    let ours: Vec<&str> = packages.iter().map(|(name, _)| name.as_str()).collect();
    for (name, uses) in &packages {
        let (_, may) = ARROWS
            .iter()
            .find(|(crate_name, _)| crate_name == name)
            .unwrap_or_else(|| {
                panic!("crate {name} is new: a decision record, then a line in ARROWS")
            });
        for used in uses.iter().filter(|used| ours.contains(&used.as_str())) {
            assert!(may.contains(&used.as_str()), "{name} may not use {used}");
        }
    }
    assert_eq!(packages.len(), ARROWS.len(), "a crate in ARROWS is gone");
}

#[test]
fn io_stays_in_the_crates_that_are_there_for_it() {
    for (name, uses) in packages() {
        for (outside, may) in KEPT_TO {
            let used = uses.iter().any(|used| used == outside);
            assert!(
                !used || may.contains(&name.as_str()),
                "{name} may not use {outside}"
            );
        }
    }
}

#[test]
fn every_crate_takes_the_workspace_lints() {
    for (name, _) in packages() {
        let manifest = root().join("crates").join(&name).join("Cargo.toml");
        let manifest = std::fs::read_to_string(manifest).unwrap();
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{name} leaves the lints out"
        );
        assert!(
            !manifest.contains("[features]"),
            "{name}: we have no cargo features of our own"
        );
    }
}
