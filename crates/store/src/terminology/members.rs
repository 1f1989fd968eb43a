//! Sets of codes over several systems.

use std::collections::{BTreeMap, HashSet};

use fhir::terminology::compose::Listed;
use fhir::terminology::ranges::Ranges;

use super::system::SystemRow;

/// The codes of a value set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Members {
    pub systems: Vec<OfSystem>,
}

/// The codes of one system.
#[derive(Clone, Debug, Default)]
pub(crate) struct OfSystem {
    pub system: SystemRow,
    /// Numbers of a system that is loaded.
    pub ranges: Ranges,
    /// What the value set shows for some of them.
    pub shown: BTreeMap<u32, Listed>,
    /// Codes that were named and that no loaded system has.
    pub listed: Vec<Listed>,
}

impl OfSystem {
    pub fn of(system: SystemRow, ranges: Ranges) -> OfSystem {
        OfSystem {
            system,
            ranges,
            ..OfSystem::default()
        }
    }

    fn is_of(&self, other: &OfSystem) -> bool {
        self.system.url == other.system.url && self.system.id == other.system.id
    }
}

impl Members {
    pub fn one(of: OfSystem) -> Members {
        Members { systems: vec![of] }
    }

    /// What is in either.
    pub fn or(mut self, other: Members) -> Members {
        for theirs in other.systems {
            let Some(ours) = self.systems.iter_mut().find(|ours| ours.is_of(&theirs)) else {
                self.systems.push(theirs);
                continue;
            };
            ours.ranges = ours.ranges.or(&theirs.ranges);
            for (num, listed) in theirs.shown {
                ours.shown.entry(num).or_insert(listed);
            }
            let known: HashSet<String> = ours.listed.iter().map(|it| it.code.clone()).collect();
            ours.listed.extend(
                theirs
                    .listed
                    .into_iter()
                    .filter(|it| !known.contains(&it.code)),
            );
        }
        self
    }

    /// What is in both.
    pub fn and(mut self, other: &Members) -> Members {
        self.systems.retain_mut(|ours| {
            let Some(theirs) = other.systems.iter().find(|theirs| ours.is_of(theirs)) else {
                return false;
            };
            ours.ranges = ours.ranges.and(&theirs.ranges);
            let known: HashSet<&str> = theirs.listed.iter().map(|it| it.code.as_str()).collect();
            ours.listed.retain(|it| known.contains(it.code.as_str()));
            true
        });
        self
    }

    /// What is in this one only.
    pub fn minus(mut self, other: &Members) -> Members {
        for ours in &mut self.systems {
            if let Some(theirs) = other.systems.iter().find(|theirs| ours.is_of(theirs)) {
                ours.ranges = ours.ranges.minus(&theirs.ranges);
                let known: HashSet<&str> =
                    theirs.listed.iter().map(|it| it.code.as_str()).collect();
                ours.listed.retain(|it| !known.contains(it.code.as_str()));
            }
        }
        self
    }
}
