//! Concepts, "is a" relationships, and names.

use std::ops::Range;

use anyhow::ensure;
use fhir::terminology::code_system::Relationship;
use fhir::terminology::hierarchy::Hierarchy;

use super::SYNONYM;
use super::refsets::Preferred;
use super::relationships;
use super::rf2::{self, Files};
use crate::commands::terminology::source::Place;

const IS_A: u64 = 116_680_003;
const FULLY_SPECIFIED: u64 = 900_000_000_000_003_001;
const DEFINED: &str = "900000000000073002";
/// An inferred or additional relationship; a stated one is no part of the hierarchy.
pub(super) const STATED: &str = "900000000000010007";

/// All concepts: sorted by identifier, so that a place is found by it.
pub struct Components(Vec<Component>);

#[derive(Clone, Copy)]
struct Component {
    id: u64,
    module: u64,
    time: u32,
    is_active: bool,
    is_defined: bool,
}

impl Components {
    /// Where a concept stands in several files, as in an extension that changes one, the latest counts.
    pub fn read(places: &[&Place]) -> anyhow::Result<Components> {
        let mut all: Vec<Component> = Vec::new();
        let columns = [
            "id",
            "effectiveTime",
            "active",
            "moduleId",
            "definitionStatusId",
        ];
        rf2::each(places, &columns, |line| {
            all.push(Component {
                id: line.id(0)?,
                time: line.text(1).parse().unwrap_or_default(),
                is_active: line.is_active(2),
                module: line.id(3)?,
                is_defined: line.text(4) == DEFINED,
            });
            Ok(())
        })?;
        all.sort_unstable_by_key(|it| (it.id, std::cmp::Reverse(it.time)));
        all.dedup_by_key(|it| it.id);
        ensure!(!all.is_empty(), "the concept files hold no concepts");
        all.shrink_to_fit();
        Ok(Components(all))
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    pub fn active(&self) -> usize {
        self.0.iter().filter(|it| it.is_active).count()
    }

    pub fn place(&self, id: u64) -> Option<u32> {
        let place = self.0.binary_search_by_key(&id, |it| it.id).ok()?;
        u32::try_from(place).ok()
    }

    pub fn id(&self, place: u32) -> u64 {
        self.0.get(place as usize).map_or(0, |it| it.id)
    }

    pub fn is_active(&self, place: u32) -> bool {
        self.0.get(place as usize).is_some_and(|it| it.is_active)
    }

    /// Its module, and whether it is sufficiently defined.
    pub fn facts(&self, place: u32) -> (u64, bool) {
        self.0
            .get(place as usize)
            .map_or((0, false), |it| (it.module, it.is_defined))
    }
}

/// (child, parent), sorted.
pub struct Edges(pub Vec<(u32, u32)>);

impl Edges {
    /// What is in use, by the latest line of each relationship; by place.
    pub fn read(places: &[&Place], components: &Components) -> anyhow::Result<Edges> {
        struct Found {
            id: u64,
            time: u32,
            is_active: bool,
            edge: (u32, u32),
        }
        let mut all: Vec<Found> = Vec::new();
        let columns = [
            "id",
            "effectiveTime",
            "active",
            "sourceId",
            "destinationId",
            "typeId",
            "characteristicTypeId",
        ];
        // One file has each relationship once, so that what is not in use need not be remembered.
        let alone = places.len() == 1;
        rf2::each(places, &columns, |line| {
            if line.text(5) != "116680003"
                || line.text(6) == STATED
                || (alone && !line.is_active(2))
            {
                return Ok(());
            }
            debug_assert_eq!(line.id(5).ok(), Some(IS_A));
            let (child, parent) = (components.place(line.id(3)?), components.place(line.id(4)?));
            if let (Some(child), Some(parent)) = (child, parent) {
                let time = line.text(1).parse().unwrap_or_default();
                all.push(Found {
                    id: line.id(0)?,
                    time,
                    is_active: line.is_active(2),
                    edge: (child, parent),
                });
            }
            Ok(())
        })?;
        all.sort_unstable_by_key(|it| (it.id, std::cmp::Reverse(it.time)));
        all.dedup_by_key(|it| it.id);
        let in_use = |it: &Found| {
            it.is_active && components.is_active(it.edge.0) && components.is_active(it.edge.1)
        };
        let mut edges: Vec<(u32, u32)> = all
            .iter()
            .filter(|it| in_use(it))
            .map(|it| it.edge)
            .collect();
        edges.sort_unstable();
        edges.dedup();
        Ok(Edges(edges))
    }

    /// The same by number.
    pub fn parents(
        components: &Components,
        hierarchy: &Hierarchy,
        files: &Files<'_>,
    ) -> anyhow::Result<Edges> {
        let edges = Edges::read(&files.relationships, components)?;
        let number = |place: u32| {
            hierarchy
                .number
                .get(place as usize)
                .copied()
                .unwrap_or_default()
        };
        let mut edges: Vec<(u32, u32)> = edges
            .0
            .into_iter()
            .map(|(child, parent)| (number(child), number(parent)))
            .collect();
        edges.sort_unstable();
        Ok(Edges(edges))
    }

    /// The parents of a number.
    pub fn of(&self, number: u32) -> impl Iterator<Item = u32> {
        let start = self.0.partition_point(|(child, _)| *child < number);
        let own = self
            .0
            .iter()
            .skip(start)
            .take_while(move |(child, _)| *child == number);
        own.map(|(_, parent)| *parent)
    }
}

/// A name of a concept.
pub struct Name {
    pub language: String,
    /// Fully specified, or synonym.
    pub kind: u64,
    pub term: String,
    /// How much it is preferred; 0 is not at all.
    rank: u8,
}

/// The names of one concept.
#[derive(Default)]
pub struct NamesOf {
    pub all: Vec<Name>,
    pub definition: String,
    /// What it is defined by, beside what it is below.
    pub relationships: Vec<Relationship>,
}

impl NamesOf {
    /// The preferred synonym; else the fully specified name; else any; else the identifier itself.
    pub fn display(&mut self, id: u64) -> String {
        self.all
            .sort_by_key(|name| (std::cmp::Reverse(name.rank), name.kind != SYNONYM));
        let preferred = self
            .all
            .iter()
            .find(|name| name.kind == SYNONYM && name.rank > 0);
        let full = || self.all.iter().find(|name| name.kind == FULLY_SPECIFIED);
        let chosen = preferred.or_else(full).or(self.all.first());
        chosen.map_or_else(|| id.to_string(), |name| name.term.clone())
    }
}

/// The names of some concepts, by number.
pub struct Names(pub Vec<NamesOf>);

impl Names {
    pub fn read(
        files: &Files<'_>,
        components: &Components,
        hierarchy: &Hierarchy,
        numbers: Range<usize>,
        preferred: &Preferred,
    ) -> anyhow::Result<Names> {
        let mut names: Vec<NamesOf> = Vec::new();
        names.resize_with(numbers.len(), NamesOf::default);
        let place = |id: u64| {
            let number = hierarchy.number.get(components.place(id)? as usize)?;
            (*number as usize).checked_sub(numbers.start)
        };
        let columns = [
            "id",
            "active",
            "conceptId",
            "languageCode",
            "typeId",
            "term",
        ];
        rf2::each(&files.descriptions, &columns, |line| {
            if !line.is_active(1) {
                return Ok(());
            }
            if let Some(of) = place(line.id(2)?).and_then(|at| names.get_mut(at)) {
                let rank = preferred.rank(line.id(0)?);
                let (language, term) = (line.text(3).to_owned(), line.text(5).to_owned());
                of.all.push(Name {
                    language,
                    kind: line.id(4)?,
                    term,
                    rank,
                });
            }
            Ok(())
        })?;
        rf2::each(&files.definitions, &columns, |line| {
            if line.is_active(1)
                && let Some(of) = place(line.id(2)?).and_then(|at| names.get_mut(at))
            {
                of.definition = line.text(5).to_owned();
            }
            Ok(())
        })?;
        relationships::read(files, components, place, &mut names)?;
        Ok(Names(names))
    }
}
