//! How many rows the clauses of a search find, looked up where the plan depends on it: a condition
//! that finds few is best found first, one that finds many is best asked of rows in their order.
//! Each look is counted up to a bound, so that it takes the same time however large the store is.

use access::Scope;
use fhir::problem::Problem;
use fhir::search::{Clause, Search};

use super::compile::{self, Making, Rows};
use super::lead::{SMALL_MAX, guess, is_streamed, is_sure};
use super::numbers::Numbers;
use crate::store::Store;

/// Clauses that are looked at for one search.
const LOOKS_MAX: usize = 4;

/// What a step (a chain, `_has`) finds is looked at up to here: counting it costs a join a row.
const STEPS_MAX: u64 = 1_000;

/// What each clause finds, up to one more than `SMALL_MAX`; `None` where nobody looked.
pub(super) async fn sizes(
    store: &Store,
    scope: &Scope,
    search: &Search,
    numbers: &Numbers,
) -> Result<Vec<Option<u64>>, Problem> {
    let mut sizes = vec![None; search.clauses.len()];
    if compile::scope_patient(scope).is_some() || search.clauses.iter().any(is_sure) {
        return Ok(sizes);
    }
    let candidates = search.clauses.iter().enumerate();
    let candidates: Vec<_> = candidates
        .filter(|(_, clause)| guess(clause, 0).is_some())
        .take(LOOKS_MAX)
        .collect();
    if let [(_, only)] = candidates.as_slice()
        && is_streamed(&search.ty, only)
        && search.sort.is_empty()
    {
        return Ok(sizes);
    }
    let making = Making {
        scope,
        numbers,
        base_url: &search.base_url,
        sizes: &[],
        rows: Rows::Whole,
    };
    for (at, clause) in candidates {
        let at_most = match compile::is_step(clause) {
            true => STEPS_MAX,
            false => SMALL_MAX,
        };
        let sql = compile::size(&making, search, clause, at_most + 1);
        let rows = store.rows_soon(sql).await?;
        let size = rows.first().map(|row| row.int(0)).transpose()?;
        let size = size.and_then(|size| u64::try_from(size).ok());
        if let Some(slot) = sizes.get_mut(at) {
            *slot = size.map(|size| if size > at_most { MANY } else { size });
        }
    }
    Ok(sizes)
}

/// More than was counted.
const MANY: u64 = u64::MAX;

/// The sizes as if each step found many, so that rows are asked whether they fulfil it; `None` without any step.
pub(super) fn as_if_many(search: &Search) -> Option<Vec<Option<u64>>> {
    let many = |clause: &Clause| compile::is_step(clause) && !clause.negated;
    search.clauses.iter().find(|it| many(it))?;
    let sizes = search.clauses.iter().map(|it| many(it).then_some(MANY));
    Some(sizes.collect())
}

/// The sizes as if the steps that find many found few, so that they are found first: where many are
/// found but seldom among the rows in their order. `None` if no step finds many.
pub(super) fn steps_first(search: &Search, sizes: &[Option<u64>]) -> Option<Vec<Option<u64>>> {
    let many = |clause, size: Option<u64>| {
        compile::is_step(clause) && !clause.negated && size == Some(MANY)
    };
    let both = || search.clauses.iter().zip(sizes.iter().copied());
    both().find(|(clause, size)| many(clause, *size))?;
    let few = both().map(|(clause, size)| match many(clause, size) {
        true => Some(SMALL_MAX),
        false => size,
    });
    Some(few.collect())
}
