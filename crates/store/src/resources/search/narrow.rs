//! Which ways of naming a resource are in use. A reference asked for may stand in rows relatively, by
//! our own full address, or to another type of the same id. Mostly only the first is there, and then
//! its rows stream in their order, which those of several do not.

use fhir::problem::Problem;
use fhir::search::{Criterion, Search};

use super::numbers::Numbers;
use crate::sql::Sql;
use crate::store::Store;

/// Ways that are looked for, of one criterion; each costs a look into the index.
const WAYS_MAX: usize = 4;

/// The search without the ways that no row uses; `None` if that is all of them.
pub(super) async fn narrowed(
    store: &Store,
    search: &Search,
    numbers: &Numbers,
) -> Result<Option<Search>, Problem> {
    let mut narrowed: Option<Search> = None;
    for (at, clause) in search.clauses.iter().enumerate() {
        let [Criterion::Reference { targets }] = clause.criteria.as_slice() else {
            continue;
        };
        if targets.len() < 2 || targets.len() > WAYS_MAX {
            continue;
        }
        let param = numbers.parameter(&search.ty, &clause.code);
        let mut used = Vec::new();
        for target in targets {
            if is_used(store, param, target).await? {
                used.push(target.clone());
            }
        }
        // What nobody refers to finds nothing by the first way either.
        if used.is_empty() {
            used.extend(targets.first().cloned());
        }
        if used.len() < targets.len() {
            let search = narrowed.get_or_insert_with(|| search.clone());
            if let Some(clause) = search.clauses.get_mut(at) {
                clause.criteria = vec![Criterion::Reference { targets: used }];
            }
        }
    }
    Ok(narrowed)
}

async fn is_used(store: &Store, param: i64, target: &str) -> Result<bool, Problem> {
    if target.contains('\0') {
        return Ok(false);
    }
    let target = crate::resources::index::key(target);
    let sql = Sql::new("SELECT 1 FROM ix_reference WHERE param = $1 AND target = $2 LIMIT 1")
        .with(param)
        .with(target.as_ref());
    Ok(!store.rows(&sql).await?.is_empty())
}
