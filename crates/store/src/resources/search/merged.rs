//! Records that were merged. A merge links two records and moves nothing (decision 120), so that what is
//! known of one person stands under two. A search by the record that stayed also finds what stands under
//! the one that was given up; each row is asked for under the same scope as any other, and a record is
//! followed only from one that may be read to one that may be read. The other way nothing is followed: a
//! search by the record that was given up finds what is there.

use std::time::{Duration, Instant};

use access::Scope;
use fhir::problem::{Kind, Problem};
use fhir::search::{Clause, Criterion, REPLACES, Search};

use parking_lot::Mutex;

use super::numbered;
use crate::resources::facts;
use crate::sql::Sql;
use crate::store::Store;
use crate::words::{self, UNKNOWN};

/// Records of one person that are followed.
pub(super) const RECORDS_MAX: usize = 64;

/// The search with those records added; `None` if there are none.
pub(super) async fn widened(
    store: &Store,
    scope: &Scope,
    search: &Search,
) -> Result<Option<Search>, Problem> {
    if !search.follows_merges {
        return Ok(None);
    }
    if !is_any(store).await? {
        return Ok(None);
    }
    let by_id = by_id(store, scope, search).await?;
    let asked = by_id.as_ref().unwrap_or(search);
    Ok(numbered::widened(store, scope, asked).await?.or(by_id))
}

/// The search with the records that those asked for by id replaced; `None` if there are none.
async fn by_id(store: &Store, scope: &Scope, search: &Search) -> Result<Option<Search>, Problem> {
    let mut names = Vec::new();
    patients(&search.clauses, &search.base_url, &mut names);
    names.sort_unstable();
    names.dedup();
    let mut merged: Vec<(String, Vec<String>)> = Vec::new();
    for id in names {
        let others = records(store, scope, &id).await?;
        if !others.is_empty() {
            merged.push((id, others));
        }
    }
    if merged.is_empty() {
        return Ok(None);
    }
    let mut widened = search.clone();
    widen(&mut widened.clauses, &search.base_url, &merged);
    Ok(Some(widened))
}

impl Store {
    /// The ids of the Patients that this one replaced, and those that they did, as far as the scope
    /// reaches them and this one; the nearest first.
    ///
    /// # Errors
    /// `TooCostly` if there are more than 64.
    pub(crate) async fn replaced_by(
        &self,
        scope: &Scope,
        id: &str,
    ) -> Result<Vec<String>, Problem> {
        match is_any(self).await? {
            true => records(self, scope, id).await,
            false => Ok(Vec::new()),
        }
    }
}

/// When it was last looked whether anything was ever merged here, and nothing was.
#[derive(Debug, Default)]
pub(crate) struct Merges {
    none_at: Mutex<Option<Instant>>,
}

/// How long nothing is looked for again; what this process merges it knows at once.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Whether any record was ever merged into another.
async fn is_any(store: &Store) -> Result<bool, Problem> {
    let mut buffer = String::new();
    let word = words::parameter(&mut buffer, "Patient", REPLACES);
    if store.knows_word(word) {
        return Ok(true);
    }
    let known = &store.merges().none_at;
    if known.lock().is_some_and(|at| at.elapsed() < LOOK_EVERY) {
        return Ok(false);
    }
    let is_any = store.word(word).await? != UNKNOWN;
    *known.lock() = (!is_any).then(Instant::now);
    Ok(is_any)
}

/// The patients that are asked for by id.
fn patients(clauses: &[Clause], base_url: &str, names: &mut Vec<String>) {
    for criterion in clauses.iter().flat_map(|clause| &clause.criteria) {
        match criterion {
            Criterion::Compartment(id) => names.push(id.clone()),
            Criterion::Reference { targets } => {
                let ids = targets.iter().filter_map(|it| patient(it, base_url));
                names.extend(ids.map(str::to_string));
            }
            Criterion::All(clauses) => patients(clauses, base_url, names),
            Criterion::Chain { clause, .. }
            | Criterion::Has { clause, .. }
            | Criterion::Typed { clause, .. } => {
                patients(std::slice::from_ref(clause), base_url, names);
            }
            _ => {}
        }
    }
}

/// The id in a reference to one of our patients.
fn patient<'t>(target: &'t str, base_url: &str) -> Option<&'t str> {
    let own = target
        .strip_prefix(base_url)
        .filter(|_| !base_url.is_empty());
    let relative = own
        .and_then(|rest| rest.strip_prefix('/'))
        .unwrap_or(target);
    relative.strip_prefix("Patient/")
}

fn widen(clauses: &mut [Clause], base_url: &str, merged: &[(String, Vec<String>)]) {
    let others = |id: &str| {
        let known = merged.iter().find(|(known, _)| known == id);
        known
            .map(|(_, others)| others.as_slice())
            .unwrap_or_default()
    };
    for clause in clauses {
        let mut further = Vec::new();
        for criterion in &mut clause.criteria {
            match criterion {
                Criterion::Compartment(id) => {
                    further.extend(others(id).iter().cloned().map(Criterion::Compartment));
                }
                Criterion::Reference { targets } => {
                    let mut more = Vec::new();
                    for target in targets.iter() {
                        if let Some(id) = patient(target, base_url) {
                            let start = target.strip_suffix(id).unwrap_or_default();
                            more.extend(others(id).iter().map(|other| format!("{start}{other}")));
                        }
                    }
                    targets.extend(more);
                }
                Criterion::All(clauses) => widen(clauses, base_url, merged),
                Criterion::Chain { clause, .. }
                | Criterion::Has { clause, .. }
                | Criterion::Typed { clause, .. } => {
                    widen(std::slice::from_mut(clause), base_url, merged);
                }
                _ => {}
            }
        }
        clause.criteria.extend(further);
    }
}

/// The records that this one replaced, and those that they did, as far as they may be read.
async fn records(store: &Store, scope: &Scope, id: &str) -> Result<Vec<String>, Problem> {
    let mut known = vec![id.to_string()];
    let mut next = 0;
    while let Some(id) = known.get(next).cloned() {
        next += 1;
        add(replaced(store, scope, &id).await?, &mut known)?;
    }
    known.remove(0);
    Ok(known)
}

/// The records of the persons whose these are: with those that they replaced and were replaced by, as
/// far as they may be read. These come first.
pub(super) async fn persons(
    store: &Store,
    scope: &Scope,
    ids: Vec<String>,
) -> Result<Vec<String>, Problem> {
    let mut known = ids;
    let mut next = 0;
    while let Some(id) = known.get(next).cloned() {
        next += 1;
        add(replacing(store, scope, &id).await?, &mut known)?;
        add(replaced(store, scope, &id).await?, &mut known)?;
    }
    Ok(known)
}

fn add(found: Vec<String>, known: &mut Vec<String>) -> Result<(), Problem> {
    for other in found {
        if known.len() > RECORDS_MAX {
            let message = format!("More than {RECORDS_MAX} records were merged into this one.");
            return Err(Problem::new(Kind::TooCostly, message));
        }
        if !known.contains(&other) {
            known.push(other);
        }
    }
    Ok(())
}

/// The records that replaced this one, which itself may be read.
async fn replacing(store: &Store, scope: &Scope, id: &str) -> Result<Vec<String>, Problem> {
    if id.contains('\0') {
        return Ok(Vec::new());
    }
    let mut buffer = String::new();
    let param = words::parameter(&mut buffer, "Patient", REPLACES);
    let param = store.word(param).await?;
    let mut sql = Sql::new("SELECT r.id FROM ix_reference x CROSS JOIN res r WHERE x.param = ");
    sql.bind(param).push(" AND x.target = ");
    sql.bind(format!("Patient/{id}"));
    sql.push(" AND r.shard = x.shard AND r.rid = x.rid AND r.del = 0");
    facts::push_scope_of(&mut sql, scope, "r");
    sql.push(" ORDER BY r.id LIMIT 65");
    let rows = store.rows_soon(sql).await?;
    rows.iter()
        .map(|row| row.text(0).map(str::to_string))
        .collect()
}

async fn replaced(store: &Store, scope: &Scope, id: &str) -> Result<Vec<String>, Problem> {
    if id.contains('\0') {
        return Ok(Vec::new());
    }
    let mut buffer = String::new();
    let param = store
        .word(words::parameter(&mut buffer, "Patient", REPLACES))
        .await?;
    let ty = store.word("Patient").await?;
    let mut sql = Sql::new(
        "SELECT q.id FROM place p CROSS JOIN res r CROSS JOIN ix_reference x CROSS JOIN place o \
         CROSS JOIN res q WHERE p.ty = ",
    );
    sql.bind(ty).push(" AND p.id = ").bind(id.to_string());
    sql.push(" AND r.shard = p.shard AND r.rid = p.rid AND r.del = 0");
    facts::push_scope_of(&mut sql, scope, "r");
    sql.push(" AND x.rid = r.rid AND x.shard = r.shard AND x.param = ")
        .bind(param);
    sql.push(" AND o.ty = ").bind(ty);
    sql.push(" AND o.id = replace(x.target, 'Patient/', '')");
    sql.push(" AND q.shard = o.shard AND q.rid = o.rid AND q.del = 0");
    facts::push_scope_of(&mut sql, scope, "q");
    sql.push(" ORDER BY q.id LIMIT 65");
    let rows = store.rows_soon(sql).await?;
    rows.iter()
        .map(|row| row.text(0).map(str::to_string))
        .collect()
}
