//! SNOMED CT: the snapshot files of its Release Format 2
//! (<https://docs.snomed.org/snomed-ct-specifications/snomed-ct-release-file-specification>), of the International
//! Edition and of extensions together, as the UK publishes them: a folder a module, each with files of its own.
//!
//! The files are read several times over rather than kept: what stays in memory is a few numbers a concept, and the
//! names of 65,536 concepts at a time.

mod components;
mod refsets;
mod relationships;
mod rf2;

use std::collections::BTreeMap;

use anyhow::ensure;
use fhir::terminology::code_system::{Concept, Property};
use fhir::terminology::compose::Designation;
use fhir::terminology::hierarchy::Hierarchy;
use store::Store;
use store::terminology::{Loading, NewConcept, ReleaseHead};

use super::source::Source;
use components::{Components, Edges, Names};
use refsets::Memberships;

const URL: &str = "http://snomed.info/sct";
/// The International Edition, and the UK's.
const INTERNATIONAL: &str = "900000000000207008";
const UNITED_KINGDOM: &str = "83821000000107";
/// Concepts whose names are in memory at a time.
const AT_ONCE: usize = 65_536;

/// The columns that `useContext` codes of designations stand for.
const SYNONYM: u64 = 900_000_000_000_013_009;

/// Loads a release, or without a store reads all of it and counts.
///
/// # Errors
/// Names the file, the line and what is wrong with it.
pub async fn load(
    source: &Source,
    version: Option<&str>,
    store: Option<&Store>,
) -> anyhow::Result<String> {
    let files = rf2::Files::of(source)?;
    eprintln!(
        "reading {} concept, {} description, {} relationship files",
        files.concepts.len(),
        files.descriptions.len(),
        files.relationships.len()
    );
    let components = Components::read(&files.concepts)?;
    let hierarchy = hierarchy(&components, &files)?;
    let memberships = Memberships::read(&files.simple, &components, &hierarchy)?;
    let preferred = refsets::preferred(&files.languages)?;
    let version = edition(&files, version);
    let told = format!(
        "{URL} {version}: {} concepts, {} in use",
        components.count(),
        components.active()
    );
    let mut loading = match store {
        Some(store) => Some(store.begin_release(head(&version)).await?),
        None => None,
    };
    if let Some(there) = loading
        .as_ref()
        .map(Loading::there)
        .filter(|there| *there > 0)
    {
        eprintln!("taking up a load that was broken off: {there} concepts are there");
    }
    let parents = Edges::parents(&components, &hierarchy, &files)?;
    let total = hierarchy.place.len();
    for low in (0..total).step_by(AT_ONCE) {
        let high = (low + AT_ONCE).min(total);
        let names = Names::read(&files, &components, &hierarchy, low..high, &preferred)?;
        concepts(
            low..high,
            names,
            &components,
            &hierarchy,
            &parents,
            &memberships,
            loading.as_mut(),
        )
        .await?;
        eprintln!("{high} of {total} concepts");
    }
    if let Some(mut loading) = loading {
        for (num, below) in (0u32..)
            .zip(&hierarchy.below)
            .filter(|(_, below)| !below.is_empty())
        {
            loading.range(num, below).await?;
        }
        let mappings = refsets::maps(&files, Some(&mut loading)).await?;
        eprintln!("{mappings} mappings");
        loading.finish().await?;
        return Ok(format!("{told}, {mappings} mappings are in use."));
    }
    let mappings = refsets::maps(&files, None).await?;
    Ok(format!("{told}, {mappings} mappings would be loaded."))
}

fn head(version: &str) -> ReleaseHead {
    ReleaseHead {
        kind: "snomed".into(),
        url: URL.into(),
        version: version.to_owned(),
        name: "SNOMED_CT".into(),
        title: "SNOMED Clinical Terms".into(),
        value_set: String::new(),
        is_case_sensitive: true,
    }
}

/// `http://snomed.info/sct/[module]/version/[date]`: the version given may be the module, or all of it.
fn edition(files: &rf2::Files<'_>, version: Option<&str>) -> String {
    let module = match version {
        Some(whole) if whole.starts_with("http") => return whole.to_owned(),
        Some(module) => module,
        None if files
            .concepts
            .iter()
            .any(|place| place.name().contains("_GB")) =>
        {
            UNITED_KINGDOM
        }
        None => INTERNATIONAL,
    };
    format!("{URL}/{module}/version/{}", files.date())
}

fn hierarchy(components: &Components, files: &rf2::Files<'_>) -> anyhow::Result<Hierarchy> {
    let edges = Edges::read(&files.relationships, components)?;
    ensure!(
        !edges.0.is_empty(),
        "the relationship files hold no \"is a\" that is in use"
    );
    let count = u32::try_from(components.count())?;
    Hierarchy::new(count, &edges.0, |place| !components.is_active(place)).map_err(|ring| {
        anyhow::anyhow!(
            "the concept {} is above itself, or below one that is",
            components.id(ring.0)
        )
    })
}

async fn concepts(
    numbers: std::ops::Range<usize>,
    names: Names,
    components: &Components,
    hierarchy: &Hierarchy,
    parents: &Edges,
    memberships: &Memberships,
    mut loading: Option<&mut Loading>,
) -> anyhow::Result<()> {
    for (number, mut names) in numbers.zip(names.0) {
        let Some(place) = hierarchy.place.get(number).copied() else {
            continue;
        };
        let number = u32::try_from(number)?;
        ensure!(
            !names.all.is_empty() || !components.is_active(place),
            "the concept {} has no name: is a description file (sct2_Description_…) missing?",
            components.id(place)
        );
        let display = names.display(components.id(place));
        let designations = names.all.into_iter().map(|name| Designation {
            language: name.language,
            used_as: (URL.to_owned(), name.kind.to_string()),
            value: name.term,
        });
        let (module, is_defined) = components.facts(place);
        let concept = Concept {
            code: components.id(place).to_string(),
            display,
            definition: names.definition,
            inactive: !components.is_active(place),
            designations: designations.collect(),
            properties: vec![
                Property {
                    code: "moduleId".into(),
                    kind: "Code".into(),
                    value: module.to_string(),
                },
                Property {
                    code: "sufficientlyDefined".into(),
                    kind: "Boolean".into(),
                    value: is_defined.to_string(),
                },
            ],
            relationships: names.relationships,
        };
        if let Some(loading) = loading.as_deref_mut() {
            let parents = parents.of(number).collect();
            loading
                .concept(&NewConcept {
                    concept,
                    parents,
                    member_of: memberships.of(number),
                })
                .await?;
        }
    }
    Ok(())
}

/// What is counted, by name, for messages.
type Counted = BTreeMap<u64, u64>;
