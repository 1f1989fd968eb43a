//! `cargo xtask sbom`: what the released binary is made of, as CycloneDX 1.5
//! (<https://cyclonedx.org/docs/1.5/json/>), from Cargo.lock and what Cargo knows of each package.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::shell::{self, step};
use crate::workspace::Workspace;

/// What is released.
const BINARY: &str = "handover";
/// For which machines.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Writes `target/sbom/handover.cdx.json`.
///
/// # Errors
/// If Cargo cannot tell, or the file cannot be written.
pub fn run(workspace: &Workspace) -> Result<()> {
    step("what the binary is made of");
    let metadata = shell::output(workspace.cargo().args([
        "metadata",
        "--format-version",
        "1",
        "--locked",
        "--filter-platform",
        TARGET,
    ]))?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let lock = std::fs::read_to_string(workspace.root.join("Cargo.lock"))?;
    let bill = bill(&metadata, &checksums(&lock))?;
    let path = written(&workspace.target, &bill)?;
    let count = items(&bill, "components").len();
    println!("{}: {count} components", path.display());
    Ok(())
}

fn written(target: &Path, bill: &Value) -> Result<PathBuf> {
    let folder = target.join("sbom");
    std::fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{BINARY}.cdx.json"));
    std::fs::write(&path, serde_json::to_vec_pretty(bill)?)?;
    Ok(path)
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn items<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value
        .get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The SHA-256 of each package's archive, by name and version, as Cargo.lock has them.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let mut found = BTreeMap::new();
    for package in lock.split("[[package]]").skip(1) {
        let member = |name: &str| {
            let line = package
                .lines()
                .find_map(|line| line.strip_prefix(&format!("{name} = ")));
            line.map(|text| text.trim_matches('"').to_owned())
        };
        if let (Some(name), Some(version), Some(sum)) =
            (member("name"), member("version"), member("checksum"))
        {
            found.insert((name, version), sum);
        }
    }
    found
}

/// The ids of what is linked into the binary or runs while it is built: no dependencies of tests.
fn reached(metadata: &Value) -> Result<BTreeMap<&str, BTreeSet<&str>>> {
    let graph = metadata.get("resolve").context("no graph")?;
    let nodes: BTreeMap<&str, &Value> = items(graph, "nodes")
        .iter()
        .map(|node| (text(node, "id"), node))
        .collect();
    let root = items(metadata, "packages")
        .iter()
        .find(|package| text(package, "name") == BINARY);
    let mut waiting = vec![text(root.context("no such binary")?, "id")];
    let mut reached = BTreeMap::new();
    while let Some(id) = waiting.pop() {
        if reached.contains_key(id) {
            continue;
        }
        let node = nodes
            .get(id)
            .with_context(|| format!("{id} is not in the graph"))?;
        let is_built = |edge: &&Value| {
            items(edge, "dep_kinds")
                .iter()
                .any(|kind| text(kind, "kind") != "dev")
        };
        let on: BTreeSet<&str> = items(node, "deps")
            .iter()
            .filter(is_built)
            .map(|edge| text(edge, "pkg"))
            .collect();
        waiting.extend(&on);
        reached.insert(id, on);
    }
    Ok(reached)
}

fn purl(package: &Value) -> String {
    format!(
        "pkg:cargo/{}@{}",
        text(package, "name"),
        text(package, "version")
    )
}

fn component(package: &Value, sums: &BTreeMap<(String, String), String>) -> Value {
    let (name, version) = (text(package, "name"), text(package, "version"));
    let mut component = json!({
        "type": if name == BINARY { "application" } else { "library" },
        "bom-ref": purl(package),
        "name": name,
        "version": version,
        "purl": purl(package),
        "licenses": [{ "expression": text(package, "license").replace('/', " OR ") }],
    });
    if let (Some(sum), Some(members)) = (
        sums.get(&(name.to_owned(), version.to_owned())),
        component.as_object_mut(),
    ) {
        members.insert(
            "hashes".into(),
            json!([{ "alg": "SHA-256", "content": sum }]),
        );
    }
    component
}

/// The bill of materials. The same sources give the same text: it holds no time and no machine.
fn bill(metadata: &Value, sums: &BTreeMap<(String, String), String>) -> Result<Value> {
    let reached = reached(metadata)?;
    let packages: BTreeMap<&str, &Value> = items(metadata, "packages")
        .iter()
        .map(|package| (text(package, "id"), package))
        .collect();
    let named = |id: &str| {
        packages
            .get(id)
            .map(|package| purl(package))
            .unwrap_or_default()
    };
    let (mut main, mut components, mut dependencies) = (Value::Null, Vec::new(), Vec::new());
    for (id, on) in &reached {
        let package = packages.get(id).context("a package is not described")?;
        match text(package, "name") {
            BINARY => main = component(package, sums),
            _ => components.push(component(package, sums)),
        }
        let on: Vec<String> = on.iter().map(|id| named(id)).collect();
        dependencies.push(json!({ "ref": named(id), "dependsOn": on }));
    }
    components.sort_by_key(|it| text(it, "bom-ref").to_owned());
    dependencies.sort_by_key(|it| text(it, "ref").to_owned());
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": main },
        "components": components,
        "dependencies": dependencies,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bill_names_what_is_linked_with_licence_and_checksum_and_nothing_of_the_tests() {
        let workspace = Workspace::find().unwrap();
        let metadata = workspace
            .cargo()
            .args([
                "metadata",
                "--format-version",
                "1",
                "--locked",
                "--offline",
                "--filter-platform",
                TARGET,
            ])
            .output()
            .unwrap();
        let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
        let lock = std::fs::read_to_string(workspace.root.join("Cargo.lock")).unwrap();
        let bill = bill(&metadata, &checksums(&lock)).unwrap();
        let components = items(&bill, "components");
        let names: BTreeSet<&str> = components.iter().map(|it| text(it, "name")).collect();
        for linked in ["rustls", "aws-lc-rs", "rusqlite", "tokio", "web", "store"] {
            assert!(names.contains(linked), "{linked}");
        }
        for other in [
            "insta",
            "proptest",
            "xtask",
            "handover-tests",
            "handover-bench",
        ] {
            assert!(!names.contains(other), "{other}");
        }
        for it in components {
            assert_ne!(text(&items(it, "licenses")[0], "expression"), "", "{it}");
            let ours = workspace
                .root
                .join("crates")
                .join(text(it, "name"))
                .is_dir();
            assert!(ours || items(it, "hashes").len() == 1, "{it}");
        }
        let refs: BTreeSet<&str> = components.iter().map(|it| text(it, "bom-ref")).collect();
        let main = bill.pointer("/metadata/component/name");
        assert_eq!(main.and_then(Value::as_str), Some(BINARY));
        for edge in items(&bill, "dependencies")
            .iter()
            .flat_map(|it| items(it, "dependsOn"))
        {
            assert!(refs.contains(edge.as_str().unwrap()), "{edge}");
        }
    }
}
