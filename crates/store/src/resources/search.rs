//! Search: a page of what matches and is within the scope.
//!
//! Shapes, as measured: the most selective condition finds the rows (as a join where one value is
//! asked for, so that the rows stream in their order, else as `IN`), the others are asked of each
//! row by its `rid` with `EXISTS`. Ranges are closed on the indexed column.

mod compile;
mod criteria;
mod numbers;

use std::collections::BTreeSet;

use access::{Interaction, Outcome, Reach, Scope, Target};
use fhir::problem::{Kind, Problem};
use fhir::search::{Criterion, Search, Total};

use super::{Page, Version, body};
use crate::database::Tx;
use crate::row::Row;
use crate::store::Store;
use crate::words::UNKNOWN;
use crate::writer::Core;

impl Store {
    /// A page of what matches and is within the scope (<https://hl7.org/fhir/R4/search.html>), in
    /// the order of making, at most 1000. Leaves a line in the audit log for each patient of whom something was
    /// found or whom the question names, or one if there is none. `count` 0 gives the total only.
    ///
    /// # Errors
    /// `Value` if `after` is none of ours, `TooCostly` if it took too long, else as `read`.
    pub async fn search(&self, scope: &Scope, search: &Search) -> Result<Page, Problem> {
        self.may_look(scope)?;
        let after = search.after.as_deref().map(cursor).transpose()?;
        let ty = self.word(&search.ty).await?;
        let (page, patients) = if ty == UNKNOWN {
            (empty(search), BTreeSet::new())
        } else {
            let numbers = numbers::Numbers::of(self, search).await?;
            let page = self.page(scope, search, ty, &numbers, after).await?;
            (page.0, page.1)
        };
        self.trace_search(scope, search, patients).await?;
        Ok(page)
    }

    async fn page(
        &self,
        scope: &Scope,
        search: &Search,
        ty: i64,
        numbers: &numbers::Numbers,
        after: Option<i64>,
    ) -> Result<(Page, BTreeSet<String>), Problem> {
        let total = if search.total == Total::Accurate || search.count == 0 {
            let rows = self
                .rows_apart(compile::count(scope, search, ty, numbers))
                .await?;
            let total = rows.first().map(|row| row.int(0)).transpose()?;
            total.and_then(|total| u64::try_from(total).ok())
        } else {
            None
        };
        let mut page = Page {
            total,
            ..Page::default()
        };
        let mut patients = BTreeSet::new();
        if search.count == 0 {
            return Ok((page, patients));
        }
        let sql = compile::page(scope, search, ty, numbers, after);
        let rows = self.rows_apart(sql).await?;
        let wanted = usize::try_from(search.count.min(compile::COUNT_MAX)).unwrap_or(usize::MAX);
        let mut last = None;
        for row in rows.iter().take(wanted) {
            // A resource may be found twice, under two systems: its rows follow each other.
            if last != Some(row.int(0)?) {
                last = Some(row.int(0)?);
                page.entries.push(version(&search.ty, row)?);
                let of = row.text(6)?.split(' ').filter(|id| !id.is_empty());
                patients.extend(of.map(str::to_string));
            }
        }
        if rows.len() > wanted {
            page.next = last.map(|rid| rid.to_string());
        }
        Ok((page, patients))
    }

    async fn trace_search(
        &self,
        scope: &Scope,
        search: &Search,
        mut patients: BTreeSet<String>,
    ) -> Result<(), Problem> {
        if !matches!(scope.reach(), Reach::Compartment { .. }) {
            // "Has she this condition?" tells of her, whatever the answer.
            patients.extend(named(search).map(str::to_string));
        }
        let link = search.self_link("");
        let query = link.split_once('?').map_or("", |(_, query)| query);
        let target = Target {
            ty: search.ty.clone().into(),
            query: Some(query.into()),
            ..Target::default()
        };
        let line = |patient: Option<String>| {
            let target = Target {
                patient,
                ..target.clone()
            };
            scope.trace(Interaction::Search, Outcome::Success, target)
        };
        let lines = if patients.is_empty() {
            vec![line(None)]
        } else {
            patients.into_iter().map(|id| line(Some(id))).collect()
        };
        self.traced(lines).await
    }
}

/// The ids of what matches within the scope, two at most, inside the writer's transaction: rows of
/// jobs before are seen, committed or not.
pub(crate) async fn matching(
    core: &Core,
    tx: &mut Tx<'_>,
    scope: &Scope,
    search: &Search,
) -> Result<Vec<String>, Problem> {
    let ty = core.word_if_any(tx, &search.ty).await?.unwrap_or(UNKNOWN);
    let numbers = numbers::Numbers::within(core, tx, search).await?;
    let mut asked = search.clone();
    asked.count = 2;
    let sql = compile::page(scope, &asked, ty, &numbers, None);
    let mut ids = Vec::new();
    for row in tx.rows(&sql).await? {
        let id = row.text(1)?.to_string();
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// The patients whom the question names, by id.
fn named(search: &Search) -> impl Iterator<Item = &str> {
    let criteria = search.clauses.iter().flat_map(|clause| &clause.criteria);
    criteria.flat_map(|criterion| {
        let (ids, targets): (&[String], &[String]) = match criterion {
            Criterion::Id(id) if search.ty == "Patient" => (std::slice::from_ref(id), &[]),
            Criterion::Reference { targets } => (&[], targets),
            _ => (&[], &[]),
        };
        let targets = targets.iter().filter_map(|it| it.strip_prefix("Patient/"));
        ids.iter().map(String::as_str).chain(targets)
    })
}

fn empty(search: &Search) -> Page {
    let asked = search.total == Total::Accurate || search.count == 0;
    Page {
        total: asked.then_some(0),
        ..Page::default()
    }
}

fn cursor(text: &str) -> Result<i64, Problem> {
    let number = text.parse().ok().filter(|number| *number >= 0);
    number.ok_or_else(|| {
        let message = "A page is asked for with the link that the page before gave.";
        Problem::new(Kind::Value, message)
    })
}

fn version(ty: &str, row: &Row) -> Result<Version, Problem> {
    let version = u64::try_from(row.int(2)?).unwrap_or_default();
    let last_updated = row.int(3)?;
    Ok(Version {
        ty: ty.to_string(),
        id: row.text(1)?.to_string(),
        version,
        last_updated,
        body: body::render(row.bytes(5)?, row.int(4)?, version, last_updated)?,
    })
}
