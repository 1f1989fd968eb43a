//! Loading a release: concepts come in the order of their numbers, in small commits; at the end one
//! commit makes it live. A load that was broken off is taken up where it stopped.

use access::{Scope, SystemPurpose};
use fhir::problem::Problem;
use fhir::terminology::code_system::Concept;
use fhir::terminology::concept_map::Mapping;
use fhir::terminology::ranges::Ranges;

use super::resource::push_mapping;
use super::rows::{Builder, CONCEPTS, MAPPINGS, RANGES, Rows};
use super::write::{LoadingRows, TerminologyDone, TerminologyWrite};
use crate::failure;
use crate::sql::Bind;
use crate::store::Store;
use crate::write::{Done, Effect, Job};

/// Rows in one commit.
const AT_ONCE: usize = 2000;

/// What a release says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReleaseHead {
    /// `snomed`, `dmd`, `icd10` or `loinc`.
    pub kind: String,
    pub url: String,
    pub version: String,
    pub name: String,
    pub title: String,
    /// The address of the value set of all its codes; empty if it has none.
    pub value_set: String,
    pub is_case_sensitive: bool,
}

/// A concept of a release.
#[derive(Clone, Debug, Default)]
pub struct NewConcept {
    pub concept: Concept,
    /// The numbers of its parents.
    pub parents: Vec<u32>,
    /// The codes of the reference sets that it is in.
    pub member_of: Vec<String>,
}

/// A map that a release brings.
#[derive(Clone, Debug, Default)]
pub struct NewMap {
    pub url: String,
    pub version: String,
    pub source: String,
    pub target: String,
}

/// A release on its way in.
#[derive(Debug)]
pub struct Loading {
    store: Store,
    scope: Scope,
    system: i64,
    /// Concepts that were there before, from a load that was broken off.
    there: u32,
    builder: Builder,
    pending: Rows,
    map: Option<(i64, u32)>,
}

impl Store {
    /// Opens a release for loading. What is live stays so until `finish`.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub async fn begin_release(&self, head: ReleaseHead) -> Result<Loading, Problem> {
        let scope = Scope::system(SystemPurpose::Import);
        let builder = Builder::new(!head.is_case_sensitive);
        let done = self
            .terminology_step(&scope, TerminologyWrite::Begin(head))
            .await?;
        let TerminologyDone::Begun { system, there } = done else {
            return Err(failure::internal("no release was begun"));
        };
        Ok(Loading {
            store: self.clone(),
            scope,
            system,
            there,
            builder,
            pending: Rows::of(&CONCEPTS),
            map: None,
        })
    }

    /// Takes a release out of use. Its rows stay until `clean_release`.
    ///
    /// # Errors
    /// `NotFound` if there is none of that number.
    pub async fn retire_release(&self, system: i64) -> Result<(), Problem> {
        let scope = Scope::system(SystemPurpose::Import);
        self.terminology_step(&scope, TerminologyWrite::Retire { system })
            .await?;
        Ok(())
    }

    /// Removes the rows of a release that is gone, bit by bit.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub async fn clean_release(&self, system: i64) -> Result<(), Problem> {
        let scope = Scope::system(SystemPurpose::Import);
        while let TerminologyDone::Cleaned { more: true } = self
            .terminology_step(&scope, TerminologyWrite::Clean { system })
            .await?
        {
            self.let_others_first().await;
        }
        Ok(())
    }

    pub(super) async fn terminology_step(
        &self,
        scope: &Scope,
        write: TerminologyWrite,
    ) -> Result<TerminologyDone, Problem> {
        let committed = self
            .commit(scope, Job::effect(Effect::Terminology(write)))
            .await?;
        match committed.done.into_iter().next() {
            Some(Done::Terminology(done)) => Ok(done),
            _ => Err(failure::internal("no answer to a step of terminology")),
        }
    }
}

impl Loading {
    /// How many concepts an earlier, broken-off load has left: they are passed over.
    pub fn there(&self) -> u32 {
        self.there
    }

    /// The next concept.
    ///
    /// # Errors
    /// If the store cannot be written, or another load took this one's place.
    pub async fn concept(&mut self, concept: &NewConcept) -> Result<(), Problem> {
        let is_there = self.builder.count() < self.there;
        let before = self.pending.rest.len();
        self.builder.add(
            &concept.concept,
            &concept.parents,
            &concept.member_of,
            &mut self.pending,
        )?;
        if is_there {
            self.pending.rest.truncate(before);
        }
        self.flush_at(AT_ONCE).await
    }

    /// The concept of that number and all below it, for one that has any below.
    ///
    /// # Errors
    /// As `concept`.
    pub async fn range(&mut self, num: u32, below: &Ranges) -> Result<(), Problem> {
        self.turn_to(&RANGES).await?;
        self.pending
            .rest
            .extend([Bind::from(num), Bind::from(below.to_bytes())]);
        self.flush_at(AT_ONCE).await
    }

    /// Opens a map; what `mapping` adds goes into it.
    ///
    /// # Errors
    /// As `concept`.
    pub async fn map(&mut self, map: NewMap) -> Result<(), Problem> {
        self.flush_at(0).await?;
        let write = TerminologyWrite::BeginMap {
            system: self.system,
            map,
        };
        let TerminologyDone::Map(map) = self.store.terminology_step(&self.scope, write).await?
        else {
            return Err(failure::internal("no map was begun"));
        };
        self.map = Some((map, 0));
        self.pending = Rows::of(&MAPPINGS);
        Ok(())
    }

    /// A mapping of the map that is open.
    ///
    /// # Errors
    /// As `concept`.
    pub async fn mapping(&mut self, mapping: &Mapping) -> Result<(), Problem> {
        let (_, seq) = self
            .map
            .as_mut()
            .ok_or_else(|| failure::internal("no map is open"))?;
        push_mapping(&mut self.pending, *seq, mapping);
        *seq += 1;
        self.flush_at(AT_ONCE).await
    }

    /// Writes what is left and makes the release live, in place of what was.
    ///
    /// # Errors
    /// As `concept`; the old release then stays live.
    pub async fn finish(mut self) -> Result<u32, Problem> {
        self.flush_at(0).await?;
        self.map = None;
        let total = self.builder.count();
        for rows in std::mem::take(&mut self.builder).finish(AT_ONCE) {
            self.pending = rows;
            self.flush_at(0).await?;
        }
        let write = TerminologyWrite::Finish {
            system: self.system,
            total,
        };
        self.store.terminology_step(&self.scope, write).await?;
        Ok(total)
    }

    async fn turn_to(&mut self, table: &'static crate::table::Table) -> Result<(), Problem> {
        if !std::ptr::eq(self.pending.table, table) {
            self.flush_at(0).await?;
            self.map = None;
            self.pending = Rows::of(table);
        }
        Ok(())
    }

    async fn flush_at(&mut self, count: usize) -> Result<(), Problem> {
        if self.pending.rest.is_empty() || self.pending.len() < count {
            return Ok(());
        }
        let table = self.pending.table;
        let rows = std::mem::replace(&mut self.pending, Rows::of(table));
        let first = self.map.map_or(self.system, |(map, _)| map);
        let rows = LoadingRows {
            system: self.system,
            first,
            rows: vec![rows],
        };
        self.store
            .terminology_step(&self.scope, TerminologyWrite::Rows(rows))
            .await?;
        self.store.let_others_first().await;
        Ok(())
    }
}
