//! What comes along with the matches: what they refer to, and what refers to them
//! (<https://hl7.org/fhir/R4/search.html#revinclude>). Each is read under the same scope, and is
//! there once, however often it is referred to.

use std::collections::{BTreeMap, HashSet};

use access::Scope;
use fhir::problem::{Kind, Problem};
use fhir::search::{Include, Included, ParameterKind, Registry, Search, references};

use super::{Found, found};
use crate::resources::{Version, body, facts};
use crate::sql::Sql;
use crate::store::Store;
use crate::words;

/// Steps that `:iterate` takes.
const ROUNDS_MAX: usize = 8;
/// Ids in one statement.
const IDS_AT_ONCE: usize = 200;

/// What is gathered while going from round to round.
struct Gathering<'s> {
    store: &'s Store,
    scope: &'s Scope,
    search: &'s Search,
    registry: &'s Registry,
    seen: HashSet<(String, String)>,
    found: Vec<Found>,
    most: usize,
    /// What may still be found, in bytes.
    bytes_left: usize,
}

/// What comes along with these matches, in the order in which it was come by.
pub(super) async fn included(
    store: &Store,
    scope: &Scope,
    search: &Search,
    matches: &[Version],
) -> Result<Vec<Found>, Problem> {
    if search.includes.is_empty() || matches.is_empty() {
        return Ok(Vec::new());
    }
    let registry = store.registry();
    let named = |version: &Version| (version.ty.clone(), version.id.clone());
    let mut gathering = Gathering {
        store,
        scope,
        search,
        registry: &registry,
        seen: matches.iter().map(named).collect(),
        found: Vec::new(),
        most: store.included_max(),
        bytes_left: store.page_bytes_max(),
    };
    gathering.round(matches, true).await?;
    let mut start = 0;
    let iterates = search.includes.iter().any(|include| include.iterate);
    for _ in 1..ROUNDS_MAX {
        let fresh = gathering.found.get(start..).unwrap_or_default();
        if !iterates || fresh.is_empty() {
            break;
        }
        let fresh: Vec<Version> = fresh.iter().map(|found| found.version.clone()).collect();
        start = gathering.found.len();
        gathering.round(&fresh, false).await?;
    }
    Ok(gathering.found)
}

impl Gathering<'_> {
    /// From these resources one step on.
    async fn round(&mut self, from: &[Version], first: bool) -> Result<(), Problem> {
        let search = self.search;
        let mut targets: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for include in &search.includes {
            if !(first || include.iterate) {
                continue;
            }
            match include.direction {
                Included::Target => self.targets(include, from, &mut targets)?,
                Included::Source => self.sources(include, from).await?,
            }
        }
        for (ty, ids) in targets {
            for ids in ids.chunks(IDS_AT_ONCE) {
                self.by_id(&ty, ids).await?;
            }
        }
        Ok(())
    }

    /// The reference parameters that an include names.
    fn codes(&self, include: &Include, ty: &str) -> Vec<String> {
        if let Some(code) = &include.code {
            return vec![code.clone()];
        }
        let all = self.registry.parameters(ty);
        let references = all.filter(|parameter| parameter.kind == ParameterKind::Reference);
        references
            .map(|parameter| parameter.code.to_string())
            .collect()
    }

    fn targets(
        &self,
        include: &Include,
        from: &[Version],
        targets: &mut BTreeMap<String, Vec<String>>,
    ) -> Result<(), Problem> {
        for version in from {
            if include.source.as_ref().is_some_and(|ty| *ty != version.ty) {
                continue;
            }
            let resource = body::parse(&version.body)?;
            for code in self.codes(include, &version.ty) {
                let Some(parameter) = self.registry.parameter(&version.ty, &code) else {
                    continue;
                };
                for (ty, id) in references(parameter, &resource, &self.search.base_url) {
                    let is_wanted = include.target.as_ref().is_none_or(|target| *target == ty);
                    if !is_wanted || self.seen.contains(&(ty.clone(), id.clone())) {
                        continue;
                    }
                    let ids = targets.entry(ty).or_default();
                    if !ids.contains(&id) {
                        ids.push(id);
                    }
                }
            }
        }
        let count: usize = targets.values().map(Vec::len).sum();
        self.check(self.found.len() + count)
    }

    /// Too many are refused rather than cut: who asked could not know what is missing.
    fn check(&self, count: usize) -> Result<(), Problem> {
        if count <= self.most {
            return Ok(());
        }
        let message = format!(
            "More than {} resources would be included; ask for fewer matches with _count.",
            self.most
        );
        Err(Problem::new(Kind::TooCostly, message))
    }

    async fn by_id(&mut self, ty: &str, ids: &[String]) -> Result<(), Problem> {
        let mut sql = Sql::new(
            "SELECT r.rid, r.id, r.ver, r.ts, v.splice, v.body, r.patients FROM place p \
             CROSS JOIN res r CROSS JOIN ver v WHERE p.ty = ",
        );
        sql.bind(self.store.word(ty).await?).push(" AND p.id IN (");
        push_list(&mut sql, ids.iter().cloned());
        sql.push(" AND r.shard = p.shard AND r.rid = p.rid AND r.del = 0");
        facts::push_scope(&mut sql, self.scope);
        sql.push(" AND v.shard = r.shard AND v.rid = r.rid AND v.ver = r.ver ORDER BY r.rid");
        self.take(ty, sql).await
    }

    async fn take(&mut self, ty: &str, sql: Sql<'static>) -> Result<(), Problem> {
        for row in self.store.rows_apart(sql).await? {
            let found = found(ty, &row)?;
            let name = (ty.to_string(), found.version.id.clone());
            if self.seen.insert(name) {
                let left = self.bytes_left.checked_sub(found.version.body.len());
                self.bytes_left = left.ok_or_else(too_large)?;
                self.found.push(found);
            }
        }
        self.check(self.found.len())
    }

    /// What refers to these resources.
    async fn sources(&mut self, include: &Include, from: &[Version]) -> Result<(), Problem> {
        let Some(source) = include.source.clone() else {
            return Ok(());
        };
        let base_url = &self.search.base_url;
        let mut targets = Vec::new();
        for version in from {
            if include.target.as_ref().is_some_and(|ty| *ty != version.ty) {
                continue;
            }
            let relative = format!("{}/{}", version.ty, version.id);
            if !base_url.is_empty() {
                targets.push(format!("{base_url}/{relative}"));
            }
            targets.push(relative);
        }
        let mut params = Vec::new();
        for code in self.codes(include, &source) {
            let Some(parameter) = self.registry.parameter(&source, &code) else {
                continue;
            };
            let mut buffer = String::new();
            let word = words::parameter(&mut buffer, &source, parameter.code).to_string();
            params.push(self.store.word(&word).await?);
        }
        for targets in targets.chunks(IDS_AT_ONCE) {
            let sql = self.sources_of(&source, &params, targets).await?;
            self.take(&source, sql).await?;
        }
        Ok(())
    }

    async fn sources_of(
        &self,
        source: &str,
        params: &[i64],
        targets: &[String],
    ) -> Result<Sql<'static>, Problem> {
        let mut sql = Sql::new(
            "SELECT r.rid, r.id, r.ver, r.ts, v.splice, v.body, r.patients FROM \
             (SELECT DISTINCT x.shard, x.rid FROM ix_reference x WHERE x.param IN (",
        );
        push_list(&mut sql, params.iter().copied());
        sql.push(" AND x.target IN (");
        push_list(&mut sql, targets.iter().cloned());
        sql.push(") x CROSS JOIN res r CROSS JOIN ver v WHERE r.shard = x.shard");
        sql.push(" AND r.rid = x.rid AND r.ty = ");
        sql.bind(self.store.word(source).await?)
            .push(" AND r.del = 0");
        facts::push_scope(&mut sql, self.scope);
        sql.push(" AND v.shard = r.shard AND v.rid = r.rid AND v.ver = r.ver");
        sql.push(" ORDER BY r.rid LIMIT ");
        let most = self.most.saturating_mul(2).saturating_add(1);
        sql.bind(i64::try_from(most).unwrap_or(i64::MAX));
        Ok(sql)
    }
}

fn too_large() -> Problem {
    let message = "What would be included is too large; ask for fewer matches with _count.";
    Problem::new(Kind::TooCostly, message)
}

/// The values and the bracket behind them; a value that is nothing's where there are none.
fn push_list<T: Into<crate::sql::Bind<'static>>>(
    sql: &mut Sql<'static>,
    values: impl Iterator<Item = T>,
) {
    let mut empty = true;
    for value in values {
        sql.push(if empty { "" } else { ", " }).bind(value);
        empty = false;
    }
    sql.push(if empty { "NULL)" } else { ")" });
}
