//! `:in`, `:not-in`, `:above`, `:below`: what the terminology says is looked up first, and becomes a
//! condition on the codes.

use std::collections::HashMap;

use access::Scope;
use fhir::definitions::Definitions;
use fhir::problem::{Kind, Problem};
use fhir::search::{Clause, Concept, Criterion, Search};

use super::numbers::Numbers;
use crate::resources::index::key;
use crate::sql::Sql;
use crate::store::Store;
use crate::terminology::CodeSet;

/// What the concepts of a search stand for.
pub(super) type Sets = HashMap<Concept, Codes>;

/// Codes by system.
#[derive(Debug)]
pub(super) enum Codes {
    /// Of what was loaded.
    Loaded(CodeSet),
    /// System and code: of a value set that R4 itself requires.
    Listed(Vec<(&'static str, &'static str)>),
}

pub(super) fn has_concept(clause: &Clause) -> bool {
    let mut found = Vec::new();
    gather(std::slice::from_ref(clause), &mut found);
    !found.is_empty()
}

/// What each concept of the search stands for.
///
/// # Errors
/// `NotSupported` for what no terminology here knows; as `Store::codes_in`.
pub(super) async fn sets(store: &Store, scope: &Scope, search: &Search) -> Result<Sets, Problem> {
    let mut concepts = Vec::new();
    gather(&search.clauses, &mut concepts);
    let mut sets = Sets::new();
    for concept in concepts {
        if !sets.contains_key(concept) {
            let codes = codes(store, scope, concept).await?;
            sets.insert(concept.clone(), codes);
        }
    }
    Ok(sets)
}

fn gather<'s>(clauses: &'s [Clause], concepts: &mut Vec<&'s Concept>) {
    for criterion in clauses.iter().flat_map(|clause| &clause.criteria) {
        match criterion {
            Criterion::Concept(concept) => concepts.push(concept),
            Criterion::All(clauses) => gather(clauses, concepts),
            Criterion::Chain { clause, .. }
            | Criterion::Has { clause, .. }
            | Criterion::Typed { clause, .. } => {
                gather(std::slice::from_ref(clause), concepts);
            }
            _ => {}
        }
    }
}

async fn codes(store: &Store, scope: &Scope, concept: &Concept) -> Result<Codes, Problem> {
    let loaded = match concept {
        Concept::In(value_set) => {
            if let Some(listed) = Definitions::r4().required_codes(value_set) {
                return Ok(Codes::Listed(listed));
            }
            store.codes_in(scope, value_set).await
        }
        Concept::Below { system, code } => store.codes_below(scope, system, code).await,
        Concept::Above { system, code } => store.codes_above(scope, system, code).await,
    };
    loaded.map(Codes::Loaded).map_err(|mut problem| {
        // The search itself is there; what it asks with is not.
        if problem.kind == Kind::NotFound {
            problem.kind = Kind::NotSupported;
        }
        problem
    })
}

/// Adds the condition that the token `i` is one of these.
pub(super) fn push(sql: &mut Sql<'static>, codes: Option<&Codes>, numbers: &Numbers) {
    sql.push(" AND (1 = 0");
    match codes {
        Some(Codes::Loaded(set)) => {
            for of in set.systems.iter().filter(|of| !of.is_empty()) {
                sql.push(" OR (i.system = ").bind(numbers.word(&of.system));
                sql.push(" AND i.code IN ");
                of.push(sql);
                sql.push(")");
            }
        }
        Some(Codes::Listed(listed)) => {
            for (system, code) in listed {
                sql.push(" OR (i.system = ").bind(numbers.word(system));
                sql.push(" AND i.code = ").bind(key(code).into_owned());
                sql.push(")");
            }
        }
        None => {}
    }
    sql.push(")");
}

/// The systems, which rows hold as numbers.
pub(super) fn systems(sets: &Sets) -> impl Iterator<Item = &str> {
    sets.values().flat_map(|codes| {
        let (loaded, listed) = match codes {
            Codes::Loaded(set) => (set.systems.as_slice(), [].as_slice()),
            Codes::Listed(listed) => ([].as_slice(), listed.as_slice()),
        };
        let loaded = loaded.iter().map(|of| of.system.as_str());
        loaded.chain(listed.iter().map(|(system, _)| *system))
    })
}
