//! Search: a page of what matches and is within the scope.
//!
//! Shapes, as measured: the most selective condition finds the rows (as a join where one value is
//! asked for, so that the rows stream in their order, else as `IN`), the others are asked of each
//! row by its `rid` with `EXISTS`. Ranges are closed on the indexed column.

mod bodies;
mod compile;
mod concepts;
mod criteria;
mod cursor;
#[cfg(test)]
mod cut;
mod hierarchy;
mod include;
mod lead;
mod merged;
mod narrow;
mod numbered;
mod numbers;
mod parts;
#[cfg(test)]
mod plans;
mod sizes;
mod sorted;
mod steps;

use std::collections::BTreeSet;

use access::{Interaction, Outcome, Reach, Scope, Target};
use fhir::problem::{Kind, Problem};
use fhir::search::{ALL_TYPES, Clause, Criterion, Search, Total};

pub(crate) use merged::Merges;

use super::{Page, Version, body};
use crate::care::Withheld;
use crate::database::Tx;
use crate::pool::STEPS_AT_ONCE;
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;
use crate::words::UNKNOWN;
use crate::writer::Core;
use compile::{Making, Rows};
use cursor::Cursor;

/// A resource that was found, and the patients whom it is about.
pub(super) struct Found {
    version: Version,
    patients: Vec<String>,
}

impl Found {
    /// With the patients of its row.
    fn of(version: Version, row: &Row) -> Result<Found, Problem> {
        let patients = row.text(6)?.split(' ').filter(|id| !id.is_empty());
        Ok(Found {
            version,
            patients: patients.map(str::to_string).collect(),
        })
    }
}

impl Store {
    /// A page of what matches and is within the scope (<https://hl7.org/fhir/R4/search.html>), in
    /// the order that was asked for, else in that of making, at most 1000; and what comes along with
    /// it. Leaves a line in the audit log for each patient of whom something was found or whom the
    /// question names, or one if there is none. `count` 0 gives the total only.
    ///
    /// # Errors
    /// `Value` if `after` is none of ours, `TooCostly` if it took too long or would include too
    /// much, `NotSupported` for what no terminology here can answer, else as `read`.
    pub async fn search(&self, scope: &Scope, search: &Search) -> Result<Page, Problem> {
        self.may_look(scope)?;
        let after = search.after.as_deref();
        let after = after
            .map(|text| Cursor::parse(text, &search.sort))
            .transpose()?;
        let widened = merged::widened(self, scope, search).await?;
        let asked = widened.as_ref().unwrap_or(search);
        let spread = hierarchy::spread(self, scope, asked).await?;
        let asked = spread.as_ref().unwrap_or(asked);
        let nowhere = search.ty != ALL_TYPES && self.word(&search.ty).await? == UNKNOWN;
        let (page, patients) = if nowhere {
            (empty(search), BTreeSet::new())
        } else {
            self.page(scope, asked, after.as_ref()).await?
        };
        let mut page = page;
        page.withheld = self.withheld_from(scope, search, asked).await?;
        self.trace_search(scope, asked, patients).await?;
        Ok(page)
    }

    async fn page(
        &self,
        scope: &Scope,
        search: &Search,
        after: Option<&Cursor>,
    ) -> Result<(Page, BTreeSet<String>), Problem> {
        let numbers = numbers::Numbers::of(self, scope, search).await?;
        let narrowed = narrow::narrowed(self, search, &numbers).await?;
        let search = narrowed.as_ref().unwrap_or(search);
        let mut making = Making {
            scope,
            numbers: &numbers,
            base_url: &search.base_url,
            sizes: &[],
            rows: self.rows_of_page(search),
        };
        let in_turn = self.rows_in_turn(&making, search, after).await?;
        let sizes = match &in_turn {
            Some(_) => Vec::new(),
            None => sizes::sizes(self, scope, search, &numbers).await?,
        };
        making.sizes = &sizes;
        let mut page = Page::default();
        if search.total != Total::None || search.count == 0 {
            let rows = self.rows_soon(compile::count(&making, search)).await?;
            let total = rows.first().map(|row| row.int(0)).transpose()?;
            page.total = total.and_then(|total| u64::try_from(total).ok());
        }
        let mut patients = BTreeSet::new();
        if search.count == 0 {
            return Ok((page, patients));
        }
        let wanted = usize::try_from(search.count.min(compile::COUNT_MAX)).unwrap_or(usize::MAX);
        let rows = match in_turn {
            Some(rows) => rows,
            None => self.page_rows(&making, search, after, wanted).await?,
        };
        let (mut last, mut taken, mut bytes): (Option<&Row>, usize, usize) = (None, 0, 0);
        for row in rows.iter().take(wanted) {
            if bytes >= self.page_bytes_max() {
                break;
            }
            taken += 1;
            // A resource may be found twice, under two systems: its rows follow each other.
            if last.map(|row| row.int(0)).transpose()? != Some(row.int(0)?) {
                let ty = match search.ty.as_str() {
                    ALL_TYPES => self.text_of(row.int(7)?).await?,
                    ty => ty.to_string(),
                };
                let found = match making.rows {
                    Rows::Whole => Some(found(&ty, row)?),
                    Rows::Bodiless => self.embodied(&ty, row).await?,
                };
                if let Some(found) = found {
                    bytes += found.version.body.len();
                    page.entries.push(found.version);
                    patients.extend(found.patients);
                }
            }
            last = Some(row);
        }
        let is_cut = Row::is_cut(&rows, self.page_bytes_max());
        if let Some(last) = last.filter(|_| rows.len() > taken || is_cut) {
            let cursor = Cursor::of(last, sorted::FIRST_KEY, &search.sort)?;
            page.next = Some(cursor.text());
        }
        for found in include::included(self, scope, search, &page.entries).await? {
            page.included.push(found.version);
            patients.extend(found.patients);
        }
        Ok((page, patients))
    }

    /// The rows of a page, and one more if there are more, where many rows fulfil a chain: each row is asked in turn,
    /// before anybody counts what the chain finds. `None` where that does not fill the page at once.
    async fn rows_in_turn(
        &self,
        making: &Making<'_>,
        search: &Search,
        after: Option<&Cursor>,
    ) -> Result<Option<Vec<Row>>, Problem> {
        let counts = search.total != Total::None || search.count == 0;
        if counts || !search.sort.is_empty() {
            return Ok(None);
        }
        let Some(sizes) = sizes::as_if_many(search) else {
            return Ok(None);
        };
        let making = Making {
            sizes: &sizes,
            ..*making
        };
        let sql = compile::page(&making, search, after.map(|cursor| cursor.rid));
        self.rows_if_quick(sql.up_to(self.page_bytes_max()), STEPS_AT_ONCE)
            .await
    }

    /// The rows of a page, and one more if there are more.
    async fn page_rows(
        &self,
        making: &Making<'_>,
        search: &Search,
        after: Option<&Cursor>,
        wanted: usize,
    ) -> Result<Vec<Row>, Problem> {
        let bytes = self.page_bytes_max();
        if search.sort.is_empty() {
            let after = after.map(|cursor| cursor.rid);
            let sql = compile::page(making, search, after).up_to(bytes);
            let Some(sizes) = sizes::steps_first(search, making.sizes) else {
                return self.rows_soon(sql).await;
            };
            if let Some(rows) = self.rows_tried(sql).await? {
                return Ok(rows);
            }
            let making = Making {
                sizes: &sizes,
                ..*making
            };
            let sql = compile::page(&making, search, after).up_to(bytes);
            return self.rows_apart(sql).await;
        }
        let is_past = |cursor: &Cursor| cursor.keys.first().is_some_and(Option::is_none);
        let past = after.filter(|cursor| is_past(cursor));
        if !sorted::is_walked(making, search) {
            let steps = sorted::steps_of_walk(making, search).filter(|_| past.is_none());
            if let Some(steps) = steps
                && let Some(walk) = sorted::walk(making, search, after)
                && let Some(rows) = self.rows_if_quick(walk.up_to(bytes), steps).await?
                && (rows.len() > wanted || Row::is_cut(&rows, bytes))
            {
                return Ok(rows);
            }
            return self
                .rows_soon(sorted::few(making, search, after).up_to(bytes))
                .await;
        }
        let mut rows = Vec::new();
        if past.is_none() {
            let walk = sorted::walk(making, search, after);
            rows = self.rows_of(walk.map(|sql| sql.up_to(bytes))).await?;
        }
        if rows.len() <= wanted && !Row::is_cut(&rows, bytes) {
            let after = past.map(|cursor| cursor.rid);
            let rest = sorted::rest(making, search, after);
            rows.extend(self.rows_of(rest.map(|sql| sql.up_to(bytes))).await?);
        }
        Ok(rows)
    }

    async fn rows_of(&self, sql: Option<Sql<'static>>) -> Result<Vec<Row>, Problem> {
        match sql {
            Some(sql) => self.rows_apart(sql).await,
            None => Ok(Vec::new()),
        }
    }

    /// What is withheld is named to those who care for the patient, so that nobody takes "withheld"
    /// for "none". Asked only where anything may be, and on the first page. `asked` is the search with
    /// the records that the patient's replaced: what is withheld of those counts too.
    async fn withheld_from(
        &self,
        scope: &Scope,
        search: &Search,
        asked: &Search,
    ) -> Result<Withheld, Problem> {
        let may_be = scope
            .withholds()
            .is_some_and(|it| it.has_dissents || it.has_sealed || it.unconfirmed_before.is_some());
        if !may_be || search.after.is_some() {
            return Ok(Withheld::default());
        }
        let mut names = Vec::new();
        named(&search.ty, &search.clauses, &mut names);
        names.sort_unstable();
        names.dedup();
        if names.len() != 1 {
            return Ok(Withheld::default());
        }
        names.clear();
        named(&asked.ty, &asked.clauses, &mut names);
        names.sort_unstable();
        names.dedup();
        let ty = (search.ty != ALL_TYPES).then_some(search.ty.as_str());
        let mut withheld = Withheld::default();
        for patient in names {
            let more = self.withheld_of(scope, patient, ty).await?;
            withheld.count += more.count;
            withheld.sealed += more.sealed;
        }
        Ok(withheld)
    }

    async fn trace_search(
        &self,
        scope: &Scope,
        search: &Search,
        mut patients: BTreeSet<String>,
    ) -> Result<(), Problem> {
        if !matches!(scope.reach(), Reach::Compartment { .. }) {
            // "Has she this condition?" tells of her, whatever the answer.
            let mut names = Vec::new();
            named(&search.ty, &search.clauses, &mut names);
            patients.extend(names.into_iter().map(str::to_string));
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
    if search.clauses.iter().any(concepts::has_concept) {
        let message = "A condition cannot ask a terminology (:in, :not-in, :above, :below).";
        return Err(Problem::new(Kind::NotSupported, message));
    }
    if hierarchy::is_asked(&search.clauses) {
        let message = "A condition cannot ask what is part of what (:above, :below).";
        return Err(Problem::new(Kind::NotSupported, message));
    }
    let numbers = numbers::Numbers::within(core, tx, search).await?;
    let mut asked = search.clone();
    asked.count = 2;
    let making = Making {
        scope,
        numbers: &numbers,
        base_url: &search.base_url,
        sizes: &[],
        rows: Rows::Bodiless,
    };
    let (mut ids, mut after) = (Vec::new(), None);
    // A resource may be found by several rows, under several systems: behind its last it goes on.
    while ids.len() < 2 {
        let rows = tx.rows(&compile::page(&making, &asked, after)).await?;
        for row in &rows {
            let id = row.text(1)?.to_string();
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        after = rows.last().map(|row| row.int(0)).transpose()?;
        if rows.len() <= 2 {
            break;
        }
    }
    Ok(ids)
}

/// The patients whom the question names, by id.
fn named<'s>(ty: &str, clauses: &'s [Clause], names: &mut Vec<&'s str>) {
    let each = |clause: &'s Clause| clause.criteria.iter().map(move |it| (clause.negated, it));
    for (negated, criterion) in clauses.iter().flat_map(each) {
        match criterion {
            // Whoever asks for all but one asks nothing of that one.
            Criterion::Id(id) if ty == "Patient" && !negated => names.push(id),
            Criterion::Compartment(id) => names.push(id),
            Criterion::Reference { targets } => {
                names.extend(targets.iter().filter_map(|it| it.strip_prefix("Patient/")));
            }
            Criterion::All(clauses) => named(ty, clauses, names),
            Criterion::Chain { ty, clause }
            | Criterion::Has { ty, clause, .. }
            | Criterion::Typed { ty, clause } => {
                named(ty, std::slice::from_ref(clause), names);
            }
            _ => {}
        }
    }
}

fn empty(search: &Search) -> Page {
    let asked = search.total != Total::None || search.count == 0;
    Page {
        total: asked.then_some(0),
        ..Page::default()
    }
}

/// From the columns rid, id, version, time, splice, body, patients.
pub(super) fn found(ty: &str, row: &Row) -> Result<Found, Problem> {
    let version = u64::try_from(row.int(2)?).unwrap_or_default();
    let last_updated = row.int(3)?;
    let version = Version {
        ty: ty.to_string(),
        id: row.text(1)?.to_string(),
        version,
        last_updated,
        body: body::render(row.bytes(5)?, row.int(4)?, version, last_updated)?,
    };
    Found::of(version, row)
}
