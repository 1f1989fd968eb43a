//! `:above` and `:below` of references: what is part of what is looked up first, a level at a time, and
//! becomes the references that are searched by. Each resource that says what it is part of is under the
//! search's own scope: what cannot be read leads nowhere.

use std::collections::HashSet;

use access::Scope;
use fhir::problem::{Kind, Problem};
use fhir::search::{Clause, Criterion, Hierarchy, Search, Way};

use crate::resources::facts;
use crate::resources::index::key;
use crate::sql::Sql;
use crate::store::Store;
use crate::words::{self, UNKNOWN};

/// Levels that are followed, and resources that are found on them, at most.
const LEVELS_MAX: usize = 32;
const MEMBERS_MAX: usize = 4096;
/// Resources of a level that are asked of at once.
const AT_ONCE: usize = 500;

/// Whether any condition asks of a hierarchy.
pub(super) fn is_asked(clauses: &[Clause]) -> bool {
    let mut criteria = clauses.iter().flat_map(|clause| &clause.criteria);
    criteria.any(|criterion| match criterion {
        Criterion::Hierarchy(_) => true,
        Criterion::All(clauses) => is_asked(clauses),
        Criterion::Chain { clause, .. }
        | Criterion::Has { clause, .. }
        | Criterion::Typed { clause, .. } => is_asked(std::slice::from_ref(clause)),
        _ => false,
    })
}

/// The search with references in place of what it asks of hierarchies; `None` if it asks nothing of
/// them.
///
/// # Errors
/// `TooCostly` for a hierarchy that is too deep or too large.
pub(super) async fn spread(
    store: &Store,
    scope: &Scope,
    search: &Search,
) -> Result<Option<Search>, Problem> {
    if !is_asked(&search.clauses) {
        return Ok(None);
    }
    let mut asked = Vec::new();
    gather(&search.clauses, &mut asked);
    let mut found: Vec<(Hierarchy, Vec<String>)> = Vec::new();
    for hierarchy in asked {
        if !found.iter().any(|(known, _)| known == hierarchy) {
            let walk = Walk::of(store, scope, search, hierarchy).await?;
            found.push((hierarchy.clone(), walk.members().await?));
        }
    }
    let mut spread = search.clone();
    replace(&mut spread.clauses, &search.base_url, &found);
    Ok(Some(spread))
}

fn gather<'s>(clauses: &'s [Clause], asked: &mut Vec<&'s Hierarchy>) {
    for criterion in clauses.iter().flat_map(|clause| &clause.criteria) {
        match criterion {
            Criterion::Hierarchy(hierarchy) => asked.push(hierarchy),
            Criterion::All(clauses) => gather(clauses, asked),
            Criterion::Chain { clause, .. }
            | Criterion::Has { clause, .. }
            | Criterion::Typed { clause, .. } => gather(std::slice::from_ref(clause), asked),
            _ => {}
        }
    }
}

fn replace(clauses: &mut [Clause], base_url: &str, found: &[(Hierarchy, Vec<String>)]) {
    for criterion in clauses.iter_mut().flat_map(|clause| &mut clause.criteria) {
        match criterion {
            Criterion::Hierarchy(hierarchy) => {
                let members = found.iter().find(|(known, _)| known == hierarchy);
                let ids = members.map(|(_, ids)| ids.as_slice()).unwrap_or_default();
                let targets = ids.iter().flat_map(|id| {
                    let relative = format!("{}/{id}", hierarchy.ty);
                    [format!("{base_url}/{relative}"), relative]
                });
                let targets = targets.collect();
                *criterion = Criterion::Reference { targets };
            }
            Criterion::All(clauses) => replace(clauses, base_url, found),
            Criterion::Chain { clause, .. }
            | Criterion::Has { clause, .. }
            | Criterion::Typed { clause, .. } => {
                replace(std::slice::from_mut(clause), base_url, found);
            }
            _ => {}
        }
    }
}

/// One walk through one hierarchy.
struct Walk<'s> {
    store: &'s Store,
    scope: &'s Scope,
    base_url: &'s str,
    hierarchy: &'s Hierarchy,
    /// The numbers of the type and of the parameter.
    ty: i64,
    param: i64,
}

impl<'s> Walk<'s> {
    async fn of(
        store: &'s Store,
        scope: &'s Scope,
        search: &'s Search,
        hierarchy: &'s Hierarchy,
    ) -> Result<Walk<'s>, Problem> {
        let mut buffer = String::new();
        let param = words::parameter(&mut buffer, &hierarchy.ty, hierarchy.by);
        Ok(Walk {
            store,
            scope,
            base_url: &search.base_url,
            hierarchy,
            ty: store.word(&hierarchy.ty).await?,
            param: store.word(param).await?,
        })
    }

    /// The id that it begins with, and those of all that it leads to, each once, however they are
    /// linked.
    async fn members(&self) -> Result<Vec<String>, Problem> {
        let first = self.hierarchy.id.clone();
        let mut members = vec![first.clone()];
        if self.ty == UNKNOWN || self.param == UNKNOWN || first.contains('\0') {
            return Ok(members);
        }
        let mut seen = HashSet::from([first.clone()]);
        let mut level = vec![first];
        for _ in 0..LEVELS_MAX {
            let mut next = Vec::new();
            for some in level.chunks(AT_ONCE) {
                for id in self.step(some).await? {
                    if seen.insert(id.clone()) {
                        next.push(id);
                    }
                }
                if seen.len() > MEMBERS_MAX {
                    return Err(self.too_large(&format!("more than {MEMBERS_MAX} resources")));
                }
            }
            if next.is_empty() {
                return Ok(members);
            }
            members.extend(next.iter().cloned());
            level = next;
        }
        Err(self.too_large(&format!("more than {LEVELS_MAX} levels")))
    }

    fn too_large(&self, what: &str) -> Problem {
        let way = match self.hierarchy.way {
            Way::Above => "above",
            Way::Below => "below",
        };
        let message = format!("There are {what} {way} that {}.", self.hierarchy.ty);
        Problem::new(Kind::TooCostly, message)
    }

    /// The ids of what is one step from one of these.
    async fn step(&self, ids: &[String]) -> Result<Vec<String>, Problem> {
        let sql = match self.hierarchy.way {
            Way::Above => self.above(ids),
            Way::Below => self.below(ids),
        };
        let rows = self.store.rows_soon(sql).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let text = row.text(0)?;
            match self.hierarchy.way {
                Way::Above => found.extend(self.own(text).map(str::to_string)),
                Way::Below => found.push(text.to_string()),
            }
        }
        Ok(found)
    }

    /// The id in a reference to a resource of the type that is here.
    fn own<'t>(&self, target: &'t str) -> Option<&'t str> {
        let own = target
            .strip_prefix(self.base_url)
            .and_then(|rest| rest.strip_prefix('/'));
        let id = own
            .unwrap_or(target)
            .strip_prefix(self.hierarchy.ty.as_str())?;
        id.strip_prefix('/').filter(|id| !id.contains('/'))
    }

    /// What is part of one of these: ids.
    fn below(&self, ids: &[String]) -> Sql<'static> {
        let mut sql =
            Sql::new("SELECT DISTINCT r.id FROM ix_reference x CROSS JOIN res r WHERE x.param = ");
        sql.bind(self.param).push(" AND x.target IN (");
        for (number, id) in ids.iter().enumerate() {
            let relative = format!("{}/{id}", self.hierarchy.ty);
            let absolute = format!("{}/{relative}", self.base_url);
            sql.push(if number == 0 { "" } else { ", " });
            sql.bind(key(&relative).into_owned()).push(", ");
            sql.bind(key(&absolute).into_owned());
        }
        sql.push(") AND r.shard = x.shard AND r.rid = x.rid AND r.ty = ");
        sql.bind(self.ty).push(" AND r.del = 0");
        facts::push_scope_of(&mut sql, self.scope, "r");
        push_end(&mut sql);
        sql
    }

    /// What these are part of: references.
    fn above(&self, ids: &[String]) -> Sql<'static> {
        let mut sql = Sql::new(
            "SELECT DISTINCT x.target FROM place p CROSS JOIN res r CROSS JOIN ix_reference x \
             WHERE p.ty = ",
        );
        sql.bind(self.ty).push(" AND p.id IN (");
        for (number, id) in ids.iter().enumerate() {
            sql.push(if number == 0 { "" } else { ", " });
            sql.bind(id.clone());
        }
        sql.push(") AND r.shard = p.shard AND r.rid = p.rid AND r.del = 0");
        facts::push_scope_of(&mut sql, self.scope, "r");
        sql.push(" AND x.rid = r.rid AND x.shard = r.shard AND x.param = ");
        sql.bind(self.param);
        push_end(&mut sql);
        sql
    }
}

/// In an order, and one more than may be found at most.
fn push_end(sql: &mut Sql<'static>) {
    sql.push(" ORDER BY 1 LIMIT ");
    sql.bind(i64::try_from(MEMBERS_MAX + 1).unwrap_or(i64::MAX));
}
