//! The node's rows: resources with their history and search index, the audit log, parcels, received
//! messages, accounts. The only crate that knows SQL; one text for SQLite and PostgreSQL.
//!
//! Reads of patient data take a `Scope` and leave their line in the audit log before they return.
//! Writes are data (`Job`): one writer runs many of them inside one transaction, each under a
//! savepoint, commits once, and only then answers all.
//!
//! # To add rows of your own
//! 1. A table: `migrations/NNNN_name.sql`, named in `migrations::MIGRATIONS`. Types are `{int}`
//!    (i64, also times in milliseconds and booleans as 0 and 1), `{real}`, `{text}`, `{bytes}`;
//!    `{serial}` is a numbered primary key; a table ends with `{keyed}` (it is its primary key's
//!    tree: short rows) or `{plain}` (long rows, or `{serial}`).
//! 2. A change: a variant of your module's `…Write` enum and an arm in its `apply`, which gets a
//!    `Tx` inside the writer's transaction and the time. Use `tx.execute`, `tx.row`, `tx.rows`,
//!    `tx.insert_many` (with a `static` `Table`). An `Err` undoes the whole job and is the caller's
//!    answer; what the caller must know otherwise is your `…Done`. Doors build a `Job` with
//!    `Job::effect(...)` and hand it to `Store::commit`.
//! 3. A read: an `impl Store` block in your module with `self.rows(&Sql)` for point reads and
//!    `self.rows_apart(Sql)` for anything longer. If it shows patient data it takes a `&Scope`,
//!    compiles it into its SQL, and ends with `self.traced(vec![scope.trace(...)]).await?`.
//!
//! SQL text is `'static`: `Sql::new("… WHERE a = $1 AND b = $2").with(a).with(b)`, or
//! `push`/`bind`. Each `$n` must first appear after `$n-1`. Spell `INSERT … ON CONFLICT (…) DO
//! NOTHING/UPDATE` and `… RETURNING …` the same on both. No `LIKE` on unfolded text, no booleans, no
//! `SUM` (it is NUMERIC on PostgreSQL; cast it to BIGINT).
//!
//! Invariant: no answer leaves before its rows and its line of the audit log are on disk (except
//! under `AuditDurability::WithinOneSecond`). Invariant: input never becomes SQL text. Invariant:
//! every queue, pool and cache has a bound.

pub mod accounts;
pub mod ask;
mod audit;
pub mod blueprints;
pub mod bulk;
pub mod care;
mod citus;
mod clock;
pub mod copies;
mod database;
pub mod desk;
mod dialect;
pub mod diary;
pub mod downtime;
pub mod drafts;
mod failure;
mod fault;
pub mod fax;
pub mod forms;
mod forward;
pub mod handovers;
pub mod hl7_inbox;
pub mod hl7_out;
pub mod itk3;
mod journal;
pub mod mesh;
pub mod messages;
mod migrations;
pub mod moving;
pub mod oauth;
pub mod opt_out;
pub mod packages;
pub mod parcels;
pub mod patient_app;
pub mod pds;
pub mod people;
mod pool;
pub mod prescriptions;
pub mod questions;
mod reach;
pub mod referrals;
mod reserve;
mod resources;
mod row;
pub mod rules;
mod settings;
mod shard;
pub mod sharing;
mod sql;
mod store;
pub mod subscriptions;
mod table;
pub mod terminology;
#[doc(hidden)]
pub mod testing;
pub mod visits;
pub mod whereabouts;
mod words;
mod write;
mod writer;

pub use audit::{
    Alarm, AuditFilter, AuditPage, AuditWrite, Check, Checkpoint, Cosignature, Finding, TreeHead,
    Witnessed,
};
pub use citus::Spread;
pub use clock::Clock;
pub use resources::{
    HistoryQuery, InUse, Page, Past, PastPage, Prepared, Reading, Reindex, ReindexState,
    ReindexWrite, Release, Version,
};
pub use settings::{AuditDurability, Database, Settings};
pub use store::Store;
pub use write::{Change, Committed, Done, Effect, Expect, Expected, Job, Written};
