//! Profiles (<https://hl7.org/fhir/R4/profiling.html>): StructureDefinitions that constrain a type,
//! and whether a resource follows them: cardinality, types, fixed values and patterns, slicing,
//! bindings, constraints, target profiles, extensions. What R4 itself asks is `validate`'s to look at,
//! and is to be asked first.
//!
//! A profile's differential is laid over that of the profile that it is made from, down to R4's type:
//! that is its snapshot, kept as a tree of rules.
//!
//! Invariant: profiles that ask for each other come to an end: depth is bounded.

mod binding;
mod check;
mod constant;
mod extensions;
mod leaf;
mod reach;
mod read;
mod rule;
mod slices;

use std::collections::HashMap;
use std::sync::Arc;

use crate::date::Millis;
use crate::definitions::Definitions;
use crate::json::Json;
use crate::problem::{Kind, Problem};
use crate::terminology::{Terminology, unversioned};
use crate::validate::Issue;
use rule::Rule;

/// What addresses of R4's own definitions start with.
const CORE: &str = "http://hl7.org/fhir/StructureDefinition/";

/// Profiles made from each other.
const BASES_MAX: usize = 16;

/// The profiles that are known, by address.
#[derive(Debug, Default)]
pub struct Profiles {
    by_url: HashMap<String, Arc<Profile>>,
}

/// A profile of a resource type or a data type; an extension's definition is a profile of Extension.
#[derive(Clone, Debug)]
pub struct Profile {
    pub url: String,
    pub version: Option<String>,
    /// The type of R4 that it constrains.
    pub ty: String,
    /// The address of what it is made from.
    pub base: Option<String>,
    contexts: Vec<ContextRule>,
    own: Rule,
    /// With the rules of its bases below its own: its snapshot.
    merged: Option<Rule>,
}

/// Where an extension may stand.
#[derive(Clone, Debug)]
struct ContextRule {
    /// `element`, `extension` or `fhirpath`.
    kind: String,
    expression: String,
}

/// What a check asks.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub profiles: &'a Profiles,
    pub terminology: &'a dyn Terminology,
    pub definitions: &'a Definitions,
    pub now: Millis,
}

impl Profiles {
    /// Takes StructureDefinitions; the later of two with one address counts. Those that no resource
    /// can follow (logical models, types) are passed over.
    ///
    /// # Errors
    /// A StructureDefinition without the elements that it must have, or with a path that is none;
    /// the others are not taken then.
    pub fn read(definitions: &Definitions, structures: &[Json<'_>]) -> Result<Profiles, Problem> {
        let mut all = Profiles::default();
        for json in structures {
            if let Some(profile) = read::profile(json, definitions)? {
                all.by_url.insert(profile.url.clone(), Arc::new(profile));
            }
        }
        all.merge();
        Ok(all)
    }

    /// As `read`, but one that cannot be used is passed over and told.
    pub fn read_all(
        definitions: &Definitions,
        structures: &[Json<'_>],
    ) -> (Profiles, Vec<Problem>) {
        let (mut all, mut faults) = (Profiles::default(), Vec::new());
        for json in structures {
            match read::profile(json, definitions) {
                Ok(Some(profile)) => {
                    all.by_url.insert(profile.url.clone(), Arc::new(profile));
                }
                Ok(None) => {}
                Err(problem) => faults.push(broken(json.text("url").unwrap_or_default(), &problem)),
            }
        }
        all.merge();
        (all, faults)
    }

    fn merge(&mut self) {
        let merged: Vec<(String, Rule)> = self
            .by_url
            .values()
            .map(|profile| (profile.url.clone(), self.merged(profile)))
            .collect();
        for (url, rule) in merged {
            if let Some(profile) = self.by_url.get_mut(&url) {
                Arc::make_mut(profile).merged = Some(rule);
            }
        }
    }

    /// A profile's rules over those of its bases.
    fn merged(&self, profile: &Profile) -> Rule {
        let mut line = vec![&profile.own];
        let mut base = profile.base.as_deref();
        while let Some(found) = base.and_then(|url| self.by_url.get(unversioned(url))) {
            if line.len() > BASES_MAX {
                break;
            }
            line.push(&found.own);
            base = found.base.as_deref();
        }
        let mut merged = Rule::named(&profile.ty);
        line.iter().rev().for_each(|own| merged.overlay(own));
        merged
    }

    /// The profile of that canonical address, with or without `|version`.
    pub fn find(&self, url: &str) -> Option<&Profile> {
        self.by_url.get(unversioned(url)).map(Arc::as_ref)
    }

    pub fn is_empty(&self) -> bool {
        self.by_url.is_empty()
    }

    pub fn len(&self) -> usize {
        self.by_url.len()
    }

    /// The bases that profiles are made from and that are neither here nor R4's.
    pub fn missing_bases(&self, definitions: &Definitions) -> Vec<&str> {
        let bases = self
            .by_url
            .values()
            .filter_map(|profile| profile.base.as_deref());
        let mut missing: Vec<&str> = bases
            .filter(|base| {
                let is_core =
                    read::core_type(base).is_some_and(|ty| definitions.find(ty).is_some());
                !is_core && self.find(base).is_none()
            })
            .collect();
        missing.sort_unstable();
        missing.dedup();
        missing
    }
}

impl Profile {
    fn rule(&self) -> &Rule {
        self.merged.as_ref().unwrap_or(&self.own)
    }
}

/// Checks a resource against the profiles that it declares in `meta.profile`, those in it against
/// theirs, every extension against its definition, and the resource against `further` profiles.
/// Errors, warnings and what could not be checked, in the order found, up to a bound.
pub fn check(resource: &Json<'_>, further: &[&str], asked: &Asked<'_>) -> Vec<Issue> {
    let mut walk = check::Walk::new(asked);
    walk.resource(resource, further);
    walk.found
}

/// Whether a resource follows profiles: of `urls` those of its type; with `declared` also those that
/// it declares, those of the resources in it, and the definitions of its extensions.
///
/// # Errors
/// Every error found, the first one leading, with its FHIRPath.
pub fn follow(
    resource: &Json<'_>,
    urls: &[String],
    declared: bool,
    asked: &Asked<'_>,
) -> Result<(), Problem> {
    let ty = resource.text("resourceType");
    let own: Vec<&str> = urls
        .iter()
        .map(String::as_str)
        .filter(|url| {
            asked
                .profiles
                .find(url)
                .is_some_and(|found| Some(found.ty.as_str()) == ty)
        })
        .collect();
    if own.is_empty() && !declared {
        return Ok(());
    }
    let mut walk = check::Walk::new(asked);
    match declared {
        true => walk.resource(resource, &own),
        false => walk.only(resource, &own),
    }
    let found = walk.found.into_iter();
    let errors = found.filter(|issue| issue.severity == crate::validate::Severity::Error);
    Problem::all(errors.map(|issue| issue.problem).collect()).map_or(Ok(()), Err)
}

/// A problem with a StructureDefinition, told with its address.
fn broken(url: &str, problem: &Problem) -> Problem {
    Problem::new(
        Kind::Invalid,
        format!("{url} is not a profile that can be used: {problem}"),
    )
}

#[cfg(test)]
mod tests;
