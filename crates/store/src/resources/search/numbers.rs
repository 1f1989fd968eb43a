//! The numbers under which a search's words stand in rows, looked up before its SQL is made, and
//! what else the SQL depends on.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use access::Scope;
use fhir::definitions::Definitions;
use fhir::problem::Problem;
use fhir::search::{
    ALL_TYPES, Clause, Concept, Criterion, ParameterKind, Registry, Search, System,
    parameter_of_all,
};

use super::concepts::{self, Codes, Sets};
use crate::database::Tx;
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;
use crate::words::{self, UNKNOWN};
use crate::writer::Core;

#[derive(Debug)]
pub(crate) struct Numbers {
    known: HashMap<String, i64>,
    registry: Arc<Registry>,
    sets: Sets,
    /// Of the parameters that all types are asked by: the numbers of each type's, by the code.
    of_all: HashMap<String, Vec<i64>>,
}

/// The numbers of a parameter.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Params<'n> {
    /// Of one type's.
    One(i64),
    /// Of every type's that is in rows.
    Each(&'n [i64]),
}

impl Params<'_> {
    /// Adds the condition that the index's row `i` stands under one of them.
    pub(crate) fn push(self, sql: &mut Sql<'static>) {
        match self {
            Params::One(param) => {
                sql.push("i.param = ").bind(param);
            }
            Params::Each([]) => {
                sql.push("i.param = ").bind(UNKNOWN);
            }
            Params::Each(params) => {
                sql.push("i.param IN (");
                for (number, param) in params.iter().enumerate() {
                    sql.push(if number == 0 { "" } else { ", " }).bind(*param);
                }
                sql.push(")");
            }
        }
    }
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
            of_all: HashMap::new(),
        };
        let systems = concepts::systems(&numbers.sets).map(str::to_string);
        let systems: Vec<String> = systems.collect();
        for word in wanted(search).into_iter().chain(systems) {
            let number = store.word(&word).await?;
            numbers.known.insert(word, number);
        }
        for code in codes_of_all(search) {
            let rows = store.rows(&of_all_types(&code)).await?;
            numbers.of_all.insert(code, firsts(&rows)?);
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
            of_all: HashMap::new(),
        };
        for word in wanted(search) {
            let number = core.word_if_any(tx, &word).await?;
            numbers.known.insert(word, number.unwrap_or(UNKNOWN));
        }
        for code in codes_of_all(search) {
            let rows = tx.rows(&of_all_types(&code)).await?;
            numbers.of_all.insert(code, firsts(&rows)?);
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

    /// The numbers of a search parameter of that type, or of all types.
    pub(crate) fn parameters(&self, ty: &str, code: &str) -> Params<'_> {
        match self.of_all.get(code) {
            Some(each) if ty == ALL_TYPES => Params::Each(each),
            _ => Params::One(self.parameter(ty, code)),
        }
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

/// The codes by which the search asks all types at once: those of parameters that each type has, and of
/// the sides of their values.
fn codes_of_all(search: &Search) -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    if search.ty == ALL_TYPES {
        gather_codes(&search.clauses, &mut codes);
    }
    codes
}

fn gather_codes(clauses: &[Clause], codes: &mut BTreeSet<String>) {
    for clause in clauses {
        let plain = clause.code.split('#').next().unwrap_or_default();
        if parameter_of_all(plain).is_some() {
            codes.insert(clause.code.clone());
        }
        for criterion in &clause.criteria {
            if let Criterion::All(clauses) = criterion {
                gather_codes(clauses, codes);
            }
        }
    }
}

/// Finds the numbers of every type's parameter of that code.
fn of_all_types(code: &str) -> Sql<'static> {
    let mut sql = Sql::new("SELECT id FROM word WHERE text IN (");
    let mut buffer = String::new();
    for (number, ty) in Definitions::r4().resources().into_iter().enumerate() {
        sql.push(if number == 0 { "" } else { ", " });
        sql.bind(words::parameter(&mut buffer, ty, code).to_string());
    }
    sql.push(") ORDER BY id");
    sql
}

fn firsts(rows: &[Row]) -> Result<Vec<i64>, Problem> {
    rows.iter().map(|row| row.int(0)).collect()
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
