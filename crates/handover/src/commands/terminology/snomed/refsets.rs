//! Reference sets: languages, simple ones, and those that map.

use fhir::terminology::concept_map::Mapping;
use fhir::terminology::hierarchy::Hierarchy;
use store::terminology::{Loading, NewMap};

use super::components::Components;
use super::rf2::{self, Files};
use super::{Counted, URL};
use crate::commands::terminology::source::Place;

const PREFERRED: &str = "900000000000548007";

/// Which language reference set a display is taken from first: the NHS's for clinical use and for pharmacy, British
/// English, American English; then any.
const LANGUAGES: &[&str] = &[
    "999001261000000100",
    "999000691000001104",
    "900000000000508004",
    "900000000000509007",
];

/// Reference sets of associations, and how the two concepts stand to each other
/// (<https://hl7.org/fhir/R4/snomedct.html#implicit-cm>).
const ASSOCIATIONS: &[(u64, &str)] = &[
    (900_000_000_000_527_005, "equal"),
    (900_000_000_000_526_001, "equivalent"),
    (900_000_000_000_523_009, "inexact"),
    (900_000_000_000_530_003, "inexact"),
];

/// Maps into ICD-10: the International Edition's, and the UK's.
const ICD10: &[(u64, &str)] = &[
    (447_562_003, "http://hl7.org/fhir/sid/icd-10"),
    (999_002_271_000_000_101, "http://hl7.org/fhir/sid/icd-10-uk"),
];

/// How much descriptions are preferred, sorted by identifier.
pub struct Preferred(Vec<(u64, u8)>);

impl Preferred {
    /// 0 if it is not preferred anywhere.
    pub fn rank(&self, description: u64) -> u8 {
        let found = self.0.binary_search_by_key(&description, |(id, _)| *id);
        found
            .ok()
            .and_then(|at| self.0.get(at))
            .map_or(0, |(_, rank)| *rank)
    }
}

pub fn preferred(places: &[&Place]) -> anyhow::Result<Preferred> {
    let mut all: Vec<(u64, u8)> = Vec::new();
    let columns = [
        "active",
        "refsetId",
        "referencedComponentId",
        "acceptabilityId",
    ];
    rf2::each(places, &columns, |line| {
        if line.is_active(0) && line.text(3) == PREFERRED {
            let at = LANGUAGES
                .iter()
                .position(|known| *known == line.text(1))
                .unwrap_or(LANGUAGES.len());
            all.push((line.id(2)?, u8::try_from(LANGUAGES.len() + 1 - at)?));
        }
        Ok(())
    })?;
    all.sort_unstable_by_key(|(id, rank)| (*id, std::cmp::Reverse(*rank)));
    all.dedup_by_key(|(id, _)| *id);
    all.shrink_to_fit();
    Ok(Preferred(all))
}

/// Which concepts are in which simple reference sets: (number, place of the set), sorted.
pub struct Memberships {
    sets: Vec<u64>,
    all: Vec<(u32, u16)>,
}

impl Memberships {
    pub fn read(
        places: &[&Place],
        components: &Components,
        hierarchy: &Hierarchy,
    ) -> anyhow::Result<Memberships> {
        let mut found = Memberships {
            sets: Vec::new(),
            all: Vec::new(),
        };
        rf2::each(
            places,
            &["active", "refsetId", "referencedComponentId"],
            |line| {
                if !line.is_active(0) {
                    return Ok(());
                }
                let number = components
                    .place(line.id(2)?)
                    .and_then(|place| hierarchy.number.get(place as usize));
                if let Some(number) = number {
                    let set = line.id(1)?;
                    let at = found
                        .sets
                        .iter()
                        .position(|known| *known == set)
                        .unwrap_or(found.sets.len());
                    if at == found.sets.len() {
                        found.sets.push(set);
                    }
                    found.all.push((*number, u16::try_from(at)?));
                }
                Ok(())
            },
        )?;
        found.all.sort_unstable();
        found.all.dedup();
        found.all.shrink_to_fit();
        Ok(found)
    }

    /// The reference sets of a number.
    pub fn of(&self, number: u32) -> Vec<String> {
        let start = self.all.partition_point(|(known, _)| *known < number);
        let own = self
            .all
            .iter()
            .skip(start)
            .take_while(|(known, _)| *known == number);
        own.filter_map(|(_, set)| self.sets.get(usize::from(*set)))
            .map(u64::to_string)
            .collect()
    }
}

/// Associations of concepts that are no longer in use, and maps into ICD-10; how many lines. Each reference set is a
/// map of its own, read for itself.
pub async fn maps(files: &Files<'_>, mut loading: Option<&mut Loading>) -> anyhow::Result<u64> {
    let mut total = 0;
    for (set, equivalence) in ASSOCIATIONS {
        let mut mappings = Vec::new();
        rf2::each(
            &files.associations,
            &[
                "active",
                "refsetId",
                "referencedComponentId",
                "targetComponentId",
            ],
            |line| {
                if line.is_active(0) && line.text(1) == set.to_string() {
                    mappings.push((line.id(2)?, line.id(3)?));
                }
                Ok(())
            },
        )?;
        total += mappings.len() as u64;
        let Some(loading) = loading.as_deref_mut().filter(|_| !mappings.is_empty()) else {
            continue;
        };
        loading.map(new_map(*set, URL)).await?;
        for (from, to) in mappings {
            let mapping = Mapping {
                source_code: from.to_string(),
                target_system: URL.into(),
                target_code: to.to_string(),
                equivalence: (*equivalence).into(),
                source_system: URL.into(),
                ..Mapping::default()
            };
            loading.mapping(&mapping).await?;
        }
    }
    Ok(total + icd10(files, loading).await?)
}

async fn icd10(files: &Files<'_>, mut loading: Option<&mut Loading>) -> anyhow::Result<u64> {
    let mut counted = Counted::new();
    for (set, system) in ICD10 {
        let mut mappings = Vec::new();
        rf2::each(
            &files.extended_maps,
            &[
                "active",
                "refsetId",
                "referencedComponentId",
                "mapTarget",
                "mapAdvice",
            ],
            |line| {
                if line.is_active(0) && line.text(1) == set.to_string() && !line.text(3).is_empty()
                {
                    mappings.push((
                        line.id(2)?,
                        line.text(3).to_owned(),
                        line.text(4).to_owned(),
                    ));
                }
                Ok(())
            },
        )?;
        counted.insert(*set, mappings.len() as u64);
        let Some(loading) = loading.as_deref_mut().filter(|_| !mappings.is_empty()) else {
            continue;
        };
        loading.map(new_map(*set, system)).await?;
        for (from, to, advice) in mappings {
            let mapping = Mapping {
                source_system: URL.into(),
                source_code: from.to_string(),
                target_system: (*system).into(),
                target_code: to,
                equivalence: "relatedto".into(),
                comment: advice,
                ..Mapping::default()
            };
            loading.mapping(&mapping).await?;
        }
    }
    Ok(counted.values().sum())
}

fn new_map(set: u64, target: &str) -> NewMap {
    NewMap {
        url: format!("{URL}?fhir_cm={set}"),
        source: format!("{URL}?fhir_vs"),
        target: if target == URL {
            format!("{URL}?fhir_vs")
        } else {
            format!("{target}/vs")
        },
        ..NewMap::default()
    }
}
