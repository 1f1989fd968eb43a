//! The numbers under which a search's words stand in rows, looked up before its SQL is made, and
//! what else the SQL depends on.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use access::Scope;
use fhir::problem::Problem;
use fhir::search::{Clause, Concept, Criterion, ParameterKind, Registry, Search, System};

use super::concepts::{self, Codes, Sets};
use crate::database::Tx;
use crate::store::Store;
use crate::words::{self, UNKNOWN};
use crate::writer::Core;

#[derive(Debug)]
pub(crate) struct Numbers {
    known: HashMap<String, i64>,
    registry: Arc<Registry>,
    sets: Sets,
}

impl Numbers {
    pub(crate) async fn of(
        store: &Store,
        scope: &Scope,
        search: &Search,
    ) -> Result<Numbers, Problem> {
        let mut numbers = Numbers {
            known: HashMap::new(),
            registry: store.registry(),
            sets: concepts::sets(store, scope, search).await?,
        };
        let systems = concepts::systems(&numbers.sets).map(str::to_string);
        let systems: Vec<String> = systems.collect();
        for word in wanted(search).into_iter().chain(systems) {
            let number = store.word(&word).await?;
            numbers.known.insert(word, number);
        }
        Ok(numbers)
    }

    /// The same inside the writer's transaction, where words are known that are not committed yet.
    pub(crate) async fn within(
        core: &Core,
        tx: &mut Tx<'_>,
        search: &Search,
    ) -> Result<Numbers, Problem> {
        let mut numbers = Numbers {
            known: HashMap::new(),
            registry: core.registry(),
            sets: Sets::new(),
        };
        for word in wanted(search) {
            let number = core.word_if_any(tx, &word).await?;
            numbers.known.insert(word, number.unwrap_or(UNKNOWN));
        }
        Ok(numbers)
    }

    /// The number of a word, or one that no row has.
    pub(crate) fn word(&self, word: &str) -> i64 {
        self.known.get(word).copied().unwrap_or(UNKNOWN)
    }

    /// The number of a search parameter.
    pub(crate) fn parameter(&self, ty: &str, code: &str) -> i64 {
        self.word(words::parameter(&mut String::new(), ty, code))
    }

    /// What a concept stands for.
    pub(super) fn codes(&self, concept: &Concept) -> Option<&Codes> {
        self.sets.get(concept)
    }

    /// The kind of a search parameter.
    pub(crate) fn kind(&self, ty: &str, code: &str) -> Option<ParameterKind> {
        Some(self.registry.parameter(ty, code)?.kind)
    }
}

/// All words that a search's SQL needs, each once.
fn wanted(search: &Search) -> BTreeSet<String> {
    let mut wanted = Vec::new();
    words_of(&search.ty, &search.clauses, &mut wanted);
    let mut buffer = String::new();
    for key in &search.sort {
        wanted.push(words::parameter(&mut buffer, &search.ty, &key.code).to_string());
    }
    // A word with a NUL is in no row, and PostgreSQL would not even be asked about it.
    wanted.retain(|word| !word.contains('\0'));
    wanted.into_iter().collect()
}

/// All words that the clauses' SQL needs.
fn words_of(ty: &str, clauses: &[Clause], wanted: &mut Vec<String>) {
    wanted.push(ty.to_string());
    for clause in clauses {
        let mut buffer = String::new();
        wanted.push(words::parameter(&mut buffer, ty, &clause.code).to_string());
        for criterion in &clause.criteria {
            words_in(ty, criterion, wanted);
        }
    }
}

fn words_in(ty: &str, criterion: &Criterion, wanted: &mut Vec<String>) {
    match criterion {
        Criterion::Token {
            system: System::Is(system),
            ..
        }
        | Criterion::Quantity {
            system: System::Is(system),
            ..
        } => wanted.push(system.clone()),
        Criterion::Composite(parts) => parts.iter().for_each(|part| words_in(ty, part, wanted)),
        Criterion::Type(ty) => wanted.push(ty.clone()),
        Criterion::All(clauses) => words_of(ty, clauses, wanted),
        Criterion::Chain { ty, clause } | Criterion::Typed { ty, clause } => {
            words_of(ty, std::slice::from_ref(clause), wanted)
        }
        Criterion::Has {
            ty,
            reference,
            clause,
        } => {
            let mut buffer = String::new();
            wanted.push(words::parameter(&mut buffer, ty, reference).to_string());
            words_of(ty, std::slice::from_ref(clause), wanted);
        }
        _ => {}
    }
}
