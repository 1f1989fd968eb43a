//! A release that fits into memory (tens of thousands of concepts), into the store.

use std::collections::HashMap;

use anyhow::ensure;
use fhir::terminology::code_system::{CodeSystem, Concept};
use fhir::terminology::concept_map::Mapping;
use fhir::terminology::hierarchy::Hierarchy;
use store::Store;
use store::terminology::{NewConcept, NewMap, ReleaseHead};

/// A release as it was read.
#[derive(Default)]
pub struct Release {
    pub kind: &'static str,
    pub system: CodeSystem,
    pub maps: Vec<(NewMap, Vec<Mapping>)>,
}

/// Adds concepts by code; one that comes again is an error of the release.
#[derive(Default)]
pub struct Concepts {
    places: HashMap<String, u32>,
    pub system: CodeSystem,
}

impl Concepts {
    /// # Errors
    /// If there is one of this code already.
    pub fn add(&mut self, concept: Concept) -> anyhow::Result<u32> {
        let place = u32::try_from(self.system.concepts.len())?;
        let code = concept.code.clone();
        ensure!(!code.is_empty(), "a concept has no code");
        ensure!(
            self.places.insert(code.clone(), place).is_none(),
            "the code {code} comes twice"
        );
        self.system.concepts.push(concept);
        Ok(place)
    }

    pub fn place(&self, code: &str) -> Option<u32> {
        self.places.get(code).copied()
    }

    /// Puts one below another, if both are there.
    pub fn link(&mut self, child: &str, parent: &str) {
        if let (Some(child), Some(parent)) = (self.place(child), self.place(parent))
            && child != parent
        {
            self.system.edges.push((child, parent));
        }
    }
}

/// Loads it, or without a store only counts.
///
/// # Errors
/// A ring in the hierarchy, or what the store refuses.
pub async fn load(mut release: Release, store: Option<&Store>) -> anyhow::Result<String> {
    let hierarchy = release.system.hierarchy()?;
    ensure!(
        !release.system.concepts.is_empty(),
        "the files hold no concepts"
    );
    let mappings: usize = release
        .maps
        .iter()
        .map(|(_, mappings)| mappings.len())
        .sum();
    let told = format!(
        "{} {}: {} concepts, {mappings} mappings",
        release.system.url,
        release.system.version,
        release.system.concepts.len()
    );
    let Some(store) = store else {
        return Ok(format!("{told} would be loaded."));
    };
    let system = &release.system;
    let mut loading = store
        .begin_release(ReleaseHead {
            kind: release.kind.into(),
            url: system.url.clone(),
            version: system.version.clone(),
            name: system.name.clone(),
            title: system.title.clone(),
            value_set: system.value_set.clone(),
            is_case_sensitive: system.is_case_sensitive,
        })
        .await?;
    let mut parents = parents(system, &hierarchy);
    let mut concepts: Vec<Option<Concept>> = std::mem::take(&mut release.system.concepts)
        .into_iter()
        .map(Some)
        .collect();
    for place in &hierarchy.place {
        let place = *place as usize;
        if let Some(concept) = concepts.get_mut(place).and_then(Option::take) {
            let parents = parents
                .get_mut(place)
                .map(std::mem::take)
                .unwrap_or_default();
            loading
                .concept(&NewConcept {
                    concept,
                    parents,
                    member_of: Vec::new(),
                })
                .await?;
        }
    }
    for (num, below) in (0u32..)
        .zip(&hierarchy.below)
        .filter(|(_, below)| !below.is_empty())
    {
        loading.range(num, below).await?;
    }
    for (map, mappings) in release.maps {
        loading.map(map).await?;
        for mapping in &mappings {
            loading.mapping(mapping).await?;
        }
    }
    loading.finish().await?;
    Ok(format!("{told} are in use."))
}

/// The numbers of each concept's parents, by place.
fn parents(system: &CodeSystem, hierarchy: &Hierarchy) -> Vec<Vec<u32>> {
    let mut parents: Vec<Vec<u32>> = vec![Vec::new(); system.concepts.len()];
    for (child, parent) in &system.edges {
        let number = hierarchy.number.get(*parent as usize);
        if let (Some(known), Some(number)) = (parents.get_mut(*child as usize), number) {
            known.push(*number);
        }
    }
    for known in &mut parents {
        known.sort_unstable();
        known.dedup();
    }
    parents
}
