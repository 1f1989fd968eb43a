//! `:in`, `:not-in`, `:above`, `:below`: the codes that stand in the index under the parameter are
//! asked of the terminology, and those that fit become the tokens that are searched for. So a value
//! set of any size costs only as much as the node has different codes.

use std::collections::HashMap;

use fhir::problem::{Kind, Problem};
use fhir::search::{Clause, Concept, Criterion, Search, System};
use fhir::terminology::{Membership, Subsumption, Terminology};

use crate::sql::Sql;
use crate::store::Store;
use crate::words::{self, UNKNOWN};

/// Different codes under one parameter that are asked about.
const CODES_MAX: i64 = 20_000;
/// Codes that may fit.
const FITTING_MAX: usize = 2_000;

/// The codes under a parameter, each found from the one before, so that it does not matter how many
/// resources have it.
const CODES: &str = "WITH RECURSIVE c(code, system) AS ( \
     SELECT code, system FROM (SELECT i.code, i.system FROM ix_token i WHERE i.param = $1 \
       ORDER BY i.code LIMIT 1) f \
     UNION ALL \
     SELECT (SELECT MIN(i.code) FROM ix_token i WHERE i.param = $2 AND i.code > c.code), c.system \
       FROM c WHERE c.code IS NOT NULL) \
     SELECT c.code FROM c WHERE c.code IS NOT NULL LIMIT $3";
/// The systems of one code.
const SYSTEMS: &str = "SELECT DISTINCT w.text FROM ix_token i LEFT JOIN word w ON w.id = i.system \
     WHERE i.param = $1 AND i.code = $2";

/// The search with tokens in the place of concepts; `None` where it has none.
pub(super) async fn resolved(store: &Store, search: &Search) -> Result<Option<Search>, Problem> {
    if !search.clauses.iter().any(has_concept) {
        return Ok(None);
    }
    let mut wanted = Vec::new();
    gather(&search.ty, &search.clauses, &mut wanted);
    wanted.sort_unstable();
    wanted.dedup();
    let mut codes = HashMap::new();
    for word in wanted {
        let known = known_codes(store, &word).await?;
        codes.insert(word, known);
    }
    let terminology = store.terminology();
    let mut search = search.clone();
    replace(&search.ty, &mut search.clauses, &codes, &*terminology)?;
    Ok(Some(search))
}

pub(super) fn has_concept(clause: &Clause) -> bool {
    clause.criteria.iter().any(|criterion| match criterion {
        Criterion::Concept(_) => true,
        Criterion::All(clauses) => clauses.iter().any(has_concept),
        Criterion::Chain { clause, .. } | Criterion::Has { clause, .. } => has_concept(clause),
        _ => false,
    })
}

/// The parameters whose codes are needed, as words.
fn gather(ty: &str, clauses: &[Clause], wanted: &mut Vec<String>) {
    for clause in clauses {
        for criterion in &clause.criteria {
            match criterion {
                Criterion::Concept(_) => {
                    let mut buffer = String::new();
                    wanted.push(words::parameter(&mut buffer, ty, &clause.code).to_string());
                }
                Criterion::All(clauses) => gather(ty, clauses, wanted),
                Criterion::Chain { ty, clause } | Criterion::Has { ty, clause, .. } => {
                    gather(ty, std::slice::from_ref(clause), wanted);
                }
                _ => {}
            }
        }
    }
}

type Codes = Vec<(Option<String>, String)>;

async fn known_codes(store: &Store, parameter: &str) -> Result<Codes, Problem> {
    let param = store.word(parameter).await?;
    if param == UNKNOWN {
        return Ok(Vec::new());
    }
    let sql = Sql::new(CODES).with(param).with(param).with(CODES_MAX + 1);
    let rows = store.rows_apart(sql).await?;
    if i64::try_from(rows.len()).is_ok_and(|count| count > CODES_MAX) {
        let message = "This parameter has too many different codes to ask a terminology about.";
        return Err(Problem::new(Kind::TooCostly, message));
    }
    let mut codes = Vec::with_capacity(rows.len());
    for row in rows {
        let code = row.text(0)?.to_string();
        let systems = Sql::new(SYSTEMS).with(param).with(code.clone());
        for row in store.rows_apart(systems).await? {
            codes.push((row.text_opt(0)?.map(str::to_string), code.clone()));
        }
    }
    Ok(codes)
}

fn replace(
    ty: &str,
    clauses: &mut [Clause],
    codes: &HashMap<String, Codes>,
    terminology: &dyn Terminology,
) -> Result<(), Problem> {
    for clause in clauses {
        let mut buffer = String::new();
        let word = words::parameter(&mut buffer, ty, &clause.code);
        let known = codes.get(word).map(Vec::as_slice).unwrap_or_default();
        let mut criteria = Vec::with_capacity(clause.criteria.len());
        for criterion in std::mem::take(&mut clause.criteria) {
            match criterion {
                Criterion::Concept(concept) => {
                    criteria.extend(fitting(&concept, known, terminology)?);
                }
                Criterion::All(mut clauses) => {
                    replace(ty, &mut clauses, codes, terminology)?;
                    criteria.push(Criterion::All(clauses));
                }
                Criterion::Chain { ty, mut clause } => {
                    replace(&ty, std::slice::from_mut(&mut *clause), codes, terminology)?;
                    criteria.push(Criterion::Chain { ty, clause });
                }
                Criterion::Has {
                    ty,
                    reference,
                    mut clause,
                } => {
                    replace(&ty, std::slice::from_mut(&mut *clause), codes, terminology)?;
                    criteria.push(Criterion::Has {
                        ty,
                        reference,
                        clause,
                    });
                }
                other => criteria.push(other),
            }
        }
        if criteria.is_empty() {
            // Nothing fits: a token that no row has.
            criteria.push(Criterion::Id("\0".into()));
        }
        if criteria.len() > FITTING_MAX {
            let message = "Too many codes fit; ask for a smaller part of the code system.";
            return Err(Problem::new(Kind::TooCostly, message));
        }
        clause.criteria = criteria;
    }
    Ok(())
}

fn fitting(
    concept: &Concept,
    known: &[(Option<String>, String)],
    terminology: &dyn Terminology,
) -> Result<Vec<Criterion>, Problem> {
    let mut found = Vec::new();
    for (system, code) in known {
        if fits(concept, system.as_deref(), code, terminology)? {
            found.push(Criterion::Token {
                system: system.clone().map_or(System::None, System::Is),
                code: Some(code.clone()),
            });
        }
    }
    Ok(found)
}

fn fits(
    concept: &Concept,
    system: Option<&str>,
    code: &str,
    terminology: &dyn Terminology,
) -> Result<bool, Problem> {
    let (wanted_system, wanted, above) = match concept {
        Concept::In(value_set) => {
            return match terminology.member(value_set, system, code) {
                Membership::Yes => Ok(true),
                Membership::No => Ok(false),
                Membership::Unknown(why) => Err(Problem::new(Kind::NotSupported, why.message())),
            };
        }
        Concept::Below { system, code } => (system, code, false),
        Concept::Above { system, code } => (system, code, true),
    };
    let Some(system) = system else {
        return Ok(false);
    };
    if wanted_system
        .as_deref()
        .is_some_and(|wanted| wanted != system)
    {
        return Ok(false);
    }
    if code == wanted {
        return Ok(true);
    }
    // Nothing is known of most systems: then only the code itself is sure.
    let how = terminology.subsumption(system, code, wanted);
    Ok(match how {
        Some(Subsumption::Equivalent) => true,
        Some(Subsumption::Subsumes) => above,
        Some(Subsumption::SubsumedBy) => !above,
        Some(Subsumption::NotSubsumed) => false,
        None => {
            if wanted_system.is_some() {
                let message = "The code system is not loaded here, so that what is above or below \
                               a code is not known.";
                return Err(Problem::new(Kind::NotSupported, message));
            }
            false
        }
    })
}
