//! Changes of terminology, inside the writer.

use std::sync::Arc;

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::load::{NewMap, ReleaseHead};
use super::published;
use super::resource::SystemReady;
use super::rows::Rows;
use crate::database::Tx;
use crate::failure;
use crate::sql::Sql;

/// Rows of a release that are removed in one go.
const CLEAN_ROWS: i64 = 20_000;

/// A step of loading or removing a release. Each is small, so that others' writes go between.
#[derive(Debug)]
pub enum TerminologyWrite {
    /// Opens a release for loading, or takes up one that was left unfinished.
    Begin(ReleaseHead),
    /// Rows of a release that is loading.
    #[doc(hidden)]
    Rows(LoadingRows),
    /// A map that the release brings.
    BeginMap { system: i64, map: NewMap },
    /// Makes a release live and what it replaces gone.
    Finish { system: i64, total: u32 },
    /// Takes a release out of use.
    Retire { system: i64 },
    /// Removes some rows of a release that is gone.
    Clean { system: i64 },
    /// Rows of a code system that R4 defines, unless they are there.
    #[doc(hidden)]
    Publish(Arc<SystemReady>),
}

/// Rows of a release.
#[derive(Debug)]
pub struct LoadingRows {
    pub(super) system: i64,
    /// What the first column holds: the system, or a map.
    pub(super) first: i64,
    pub(super) rows: Vec<Rows>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TerminologyDone {
    /// The release's number, and how many of its concepts are there already.
    Begun {
        system: i64,
        there: u32,
    },
    Map(i64),
    /// How many releases it replaced.
    Live {
        replaced: u64,
    },
    Written,
    /// Whether there is more to remove.
    Cleaned {
        more: bool,
    },
}

/// Counts a change, so that remembered answers are dropped.
pub(super) async fn changed(tx: &mut Tx<'_>) -> Result<(), Problem> {
    tx.execute(&Sql::new(
        "UPDATE counter SET next = next + 1 WHERE name = 'terminology'",
    ))
    .await?;
    Ok(())
}

pub(crate) async fn apply(
    tx: &mut Tx<'_>,
    now: Millis,
    write: &TerminologyWrite,
) -> Result<TerminologyDone, Problem> {
    match write {
        TerminologyWrite::Begin(head) => begin(tx, now, head).await,
        TerminologyWrite::Rows(rows) => {
            check_loading(tx, rows.system).await?;
            for some in &rows.rows {
                tx.insert_many(some.table, &some.values(rows.first)).await?;
            }
            Ok(TerminologyDone::Written)
        }
        TerminologyWrite::BeginMap { system, map } => {
            check_loading(tx, *system).await?;
            let sql = Sql::new(
                "INSERT INTO ts_map (url, version, source, target, unmapped, system) VALUES ($1, $2, $3, $4, '[]', $5) RETURNING id",
            );
            let sql = sql
                .with(&map.url)
                .with(&map.version)
                .with(&map.source)
                .with(&map.target)
                .with(*system);
            Ok(TerminologyDone::Map(returned(tx, &sql).await?))
        }
        TerminologyWrite::Finish { system, total } => finish(tx, now, *system, *total).await,
        TerminologyWrite::Retire { system } => {
            let sql = Sql::new(
                "UPDATE ts_system SET state = 'gone', at = $1 WHERE id = $2 AND kind <> 'resource'",
            );
            if tx.execute(&sql.with(now).with(*system)).await? == 0 {
                return Err(Problem::new(Kind::NotFound, "There is no such release."));
            }
            changed(tx).await?;
            Ok(TerminologyDone::Written)
        }
        TerminologyWrite::Clean { system } => clean(tx, *system).await,
        TerminologyWrite::Publish(ready) => published::publish(tx, now, ready).await,
    }
}

async fn returned(tx: &mut Tx<'_>, sql: &Sql<'_>) -> Result<i64, Problem> {
    tx.row(sql)
        .await?
        .ok_or_else(|| failure::internal("no number came back"))?
        .int(0)
}

async fn check_loading(tx: &mut Tx<'_>, system: i64) -> Result<(), Problem> {
    let sql = Sql::new("SELECT 1 FROM ts_system WHERE id = $1 AND state = 'loading'");
    match tx.row(&sql.with(system)).await? {
        Some(_) => Ok(()),
        None => Err(Problem::new(
            Kind::Conflict,
            "This release is not being loaded any more; another load took its place.",
        )),
    }
}

async fn begin(
    tx: &mut Tx<'_>,
    now: Millis,
    head: &ReleaseHead,
) -> Result<TerminologyDone, Problem> {
    let sql = Sql::new(
        "SELECT id FROM ts_system WHERE kind = $1 AND url = $2 AND version = $3 AND state = 'loading' ORDER BY id DESC",
    );
    let left = tx
        .row(&sql.with(&head.kind).with(&head.url).with(&head.version))
        .await?;
    let left = left.map(|row| row.int(0)).transpose()?;
    // What else was left unfinished of this system will never be finished.
    let others = Sql::new(
        "UPDATE ts_system SET state = 'gone', at = $1 WHERE kind = $2 AND url = $3 AND state = 'loading' AND id <> $4",
    );
    tx.execute(
        &others
            .with(now)
            .with(&head.kind)
            .with(&head.url)
            .with(left.unwrap_or(0)),
    )
    .await?;
    if let Some(system) = left {
        for text in [
            "DELETE FROM ts_range WHERE system = $1",
            "DELETE FROM ts_posting WHERE system = $1",
            "DELETE FROM ts_length WHERE system = $1",
            "DELETE FROM ts_mapping WHERE map IN (SELECT id FROM ts_map WHERE system = $1)",
            "DELETE FROM ts_map WHERE system = $1",
        ] {
            tx.execute(&Sql::new(text).with(system)).await?;
        }
        let sql = Sql::new("SELECT COALESCE(MAX(num) + 1, 0) FROM ts_concept WHERE system = $1");
        let there = returned(tx, &sql.with(system)).await?;
        return Ok(TerminologyDone::Begun {
            system,
            there: u32::try_from(there).unwrap_or_default(),
        });
    }
    let sql = Sql::new(
        "INSERT INTO ts_system (kind, url, version, name, title, content, value_set, folded, state, total, at) \
         VALUES ($1, $2, $3, $4, $5, 'complete', $6, $7, 'loading', 0, $8) RETURNING id",
    );
    let sql = sql
        .with(&head.kind)
        .with(&head.url)
        .with(&head.version)
        .with(&head.name)
        .with(&head.title);
    let sql = sql
        .with(&head.value_set)
        .with(!head.is_case_sensitive)
        .with(now);
    Ok(TerminologyDone::Begun {
        system: returned(tx, &sql).await?,
        there: 0,
    })
}

async fn finish(
    tx: &mut Tx<'_>,
    now: Millis,
    system: i64,
    total: u32,
) -> Result<TerminologyDone, Problem> {
    check_loading(tx, system).await?;
    let old = Sql::new(
        "UPDATE ts_system SET state = 'gone', at = $1 WHERE state = 'live' AND kind <> 'resource' \
         AND url = (SELECT url FROM ts_system WHERE id = $2)",
    );
    let replaced = tx.execute(&old.with(now).with(system)).await?;
    let new = Sql::new("UPDATE ts_system SET state = 'live', total = $1, at = $2 WHERE id = $3");
    tx.execute(&new.with(total).with(now).with(system)).await?;
    changed(tx).await?;
    Ok(TerminologyDone::Live { replaced })
}

async fn clean(tx: &mut Tx<'_>, system: i64) -> Result<TerminologyDone, Problem> {
    let gone = Sql::new("SELECT 1 FROM ts_system WHERE id = $1 AND state = 'gone'").with(system);
    if tx.row(&gone).await?.is_none() {
        return Ok(TerminologyDone::Cleaned { more: false });
    }
    let first =
        Sql::new("SELECT COALESCE(MIN(num), -1) FROM ts_concept WHERE system = $1").with(system);
    let first = returned(tx, &first).await?;
    if first >= 0 {
        let some = Sql::new("DELETE FROM ts_concept WHERE system = $1 AND num < $2");
        tx.execute(&some.with(system).with(first + CLEAN_ROWS))
            .await?;
        return Ok(TerminologyDone::Cleaned { more: true });
    }
    let map = Sql::new("SELECT COALESCE(MIN(id), -1) FROM ts_map WHERE system = $1").with(system);
    let map = returned(tx, &map).await?;
    if map >= 0 {
        tx.execute(&Sql::new("DELETE FROM ts_mapping WHERE map = $1").with(map))
            .await?;
        tx.execute(&Sql::new("DELETE FROM ts_map WHERE id = $1").with(map))
            .await?;
        return Ok(TerminologyDone::Cleaned { more: true });
    }
    for text in [
        "DELETE FROM ts_range WHERE system = $1",
        "DELETE FROM ts_posting WHERE system = $1",
        "DELETE FROM ts_length WHERE system = $1",
        "DELETE FROM ts_system WHERE id = $1",
    ] {
        tx.execute(&Sql::new(text).with(system)).await?;
    }
    Ok(TerminologyDone::Cleaned { more: false })
}
