//! The store: opening, closing, and the two ways in (the writer's queue, the readers).

mod traces;

use std::sync::Arc;
use std::time::Duration;

use access::{AuditEntry, Interaction, Ods, Reach, Scope};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use fhir::search::Registry;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::citus::{self, Spread};
use crate::clock::Clock;
use crate::database::{Tx, at_once, postgres, sqlite};
use crate::dialect::Dialect;
use crate::failure;
use crate::fault::Fault;
use crate::hl7_inbox::Hl7Write;
use crate::journal::{self, Journal, Taken, TraceReserve};
use crate::migrations;
use crate::parcels;
use crate::pool::Readers;
use crate::reserve::Reserve;
use crate::resources::{Cache, Merges, Shared, reindex};
use crate::row::Row;
use crate::settings::{AuditDurability, Database, Settings};
use crate::sql::Sql;
use crate::terminology::Memory;
use crate::words::Words;
use crate::write::{Change, Committed, Done, Effect, Job, Write};
use crate::writer::{Core, Writer};

/// Connections of a node to PostgreSQL: one for the writer and some for readers.
const POSTGRES_CONNECTIONS: usize = 8;
/// How long a worker lets others go first.
const LET_FIRST_AT_MOST: Duration = Duration::from_secs(1);
/// How often lines of the log are written that no answer waits for.
const LATE_EVERY: Duration = Duration::from_millis(250);
/// Such lines that may wait; whoever adds one more writes them all, and waits for that.
const LATE_MAX: usize = 8192;

/// A node's store. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    organisation: Ods,
    database: Database,
    audit: AuditDurability,
    clock: Clock,
    readers: Readers,
    writer: Arc<Writer>,
    /// On SQLite, unless another process has it.
    journal: Option<Journal>,
    /// On PostgreSQL, where there is room.
    trace_reserve: Option<TraceReserve>,
    fault: Arc<Fault>,
    words: Arc<Words>,
    registry: Shared,
    included_max: usize,
    page_bytes_max: usize,
    text_search: bool,
    merges: Merges,
    cache: Option<Arc<Cache>>,
    /// Lines of the log that no answer waits for (`AuditDurability::WithinOneSecond`).
    late: Arc<Mutex<Vec<Vec<AuditEntry>>>>,
    /// Counts commits that changed parcels, for pages that show them live.
    parcels_changed: watch::Sender<u64>,
    terminology: Memory,
    packages: crate::packages::Memory,
    care: crate::care::Memory,
}

/// A store that may be gone.
#[derive(Debug)]
pub(crate) struct Weak(std::sync::Weak<Inner>);

impl Weak {
    pub(crate) fn upgrade(&self) -> Option<Store> {
        let inner = self.0.upgrade()?;
        Some(Store { inner })
    }
}

impl Store {
    /// Opens the database, makes or updates its schema, and starts the writer. Needs a tokio
    /// runtime.
    ///
    /// # Errors
    /// `NoStore` or `Transient` if the database cannot be opened, `BusinessRule` if its schema is
    /// not one that this version may use (a newer one, say), `Value` for a setting that does not
    /// read.
    pub async fn open(settings: Settings) -> Result<Store, Problem> {
        let words = Arc::new(Words::default());
        let registry = Shared::default();
        let fault = Arc::new(Fault::default());
        let now = settings.clock.now();
        let mut trace_reserve = None;
        let (readers, writer, cache, journal) = match &settings.database {
            Database::Sqlite(path) => {
                let cache = (settings.cache_bytes_max > 0)
                    .then(|| Arc::new(Cache::new(settings.cache_bytes_max)));
                let mut connection = sqlite::open_writer(path)?;
                at_once(migrations::run(
                    &mut Tx::Sqlite(&mut connection),
                    Dialect::Sqlite,
                    now,
                    settings.text_search,
                ))?;
                // Nobody else works on this file, so a lease in it is a killed process's.
                at_once(parcels::end_leases(&mut Tx::Sqlite(&mut connection)))?;
                let mut file = journal::File::open(&Journal::path(path))?;
                if let Some(file) = &mut file {
                    sqlite::settle(&connection)?;
                    journal::recover(file, &mut Tx::Sqlite(&mut connection))?;
                    reserve(file, settings.reserve_bytes);
                }
                let readers = Readers::sqlite(path, settings.readers, settings.search_seconds_max)?;
                let core = Core::new(settings.clock.clone(), words.clone(), cache.clone());
                let mut core = core.with_registry(&registry);
                core.heed(&settings);
                if settings.reserve_bytes > 0 {
                    let kept = Reserve::keep(&Reserve::path(path));
                    core.reserve = kept.inspect_err(no_reserve).ok();
                }
                let load = core.load.clone();
                core.fault = fault.clone();
                let writer = Writer::sqlite(connection, core, settings.writes_waiting_max)?;
                let writer = Arc::new(writer);
                let start = |file| journal::Start {
                    file,
                    database: path.clone(),
                    clock: settings.clock.clone(),
                    writer: writer.clone(),
                    load,
                    fault: fault.clone(),
                    waiting_max: settings.writes_waiting_max,
                };
                let journal = file.map(|file| Journal::start(start(file))).transpose()?;
                (readers, writer, cache, journal)
            }
            Database::Postgres { url, schema } => {
                let seconds = settings.search_seconds_max;
                let pool = postgres::pool(url, schema, POSTGRES_CONNECTIONS, seconds)?;
                let client = pool.get().await.map_err(failure::pool)?;
                postgres::create_schema(&client, schema).await?;
                let tx = &mut Tx::Postgres(&client);
                migrations::run(tx, Dialect::Postgres, now, settings.text_search).await?;
                trace_reserve = open_trace_reserve(&settings);
                if let Some(reserve) = &trace_reserve {
                    let moved = journal::mark(&mut Tx::Postgres(&client), &reserve.name).await?;
                    reserve.begin_after(moved.unwrap_or(0)).await;
                }
                let core = Core::new(settings.clock.clone(), words.clone(), None);
                let mut core = core.with_registry(&registry);
                core.heed(&settings);
                let writer = Writer::postgres(pool.clone(), core, settings.writes_waiting_max);
                (Readers::Postgres(pool), Arc::new(writer), None, None)
            }
        };
        let store = Store {
            inner: Arc::new(Inner {
                organisation: settings.organisation,
                database: settings.database,
                audit: settings.audit,
                clock: settings.clock,
                readers,
                writer,
                journal,
                trace_reserve,
                fault,
                words,
                registry,
                included_max: settings.included_max,
                page_bytes_max: settings.page_bytes_max,
                text_search: settings.text_search,
                merges: Merges::default(),
                cache,
                late: Arc::default(),
                parcels_changed: watch::Sender::new(0),
                terminology: Memory::default(),
                packages: crate::packages::Memory::default(),
                care: crate::care::Memory::new(
                    settings.relationships,
                    settings.on_familiar,
                    settings.unconfirmed_after_millis,
                    settings.ages,
                ),
            }),
        };
        if store.inner.audit == AuditDurability::WithinOneSecond {
            store.write_late_lines();
        }
        if store.inner.trace_reserve.is_some() {
            store.move_reserve();
        }
        // What is written from now on is indexed by all that resources are to be found by.
        reindex::begin(&store).await?;
        reindex::start(Weak(Arc::downgrade(&store.inner)));
        crate::whereabouts::start(Weak(Arc::downgrade(&store.inner)));
        Ok(store)
    }

    /// Now, in milliseconds since the Unix epoch: the node's only clock.
    pub fn now(&self) -> Millis {
        self.inner.clock.now()
    }

    /// The clock itself, for TLS, which asks for the time by itself.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// Whether other processes may serve the same node: a schema in PostgreSQL can be shared, a
    /// SQLite file is one process's own.
    pub fn is_shared(&self) -> bool {
        matches!(self.inner.readers, Readers::Postgres(_))
    }

    /// Whether another process has the SQLite file: what is written here, that one does not notice.
    pub fn is_beside_another(&self) -> bool {
        self.inner.journal.is_none() && !self.is_shared()
    }

    /// Returns if the disk fails under a sync. From then on all writes are refused, and with them all
    /// that leaves a trace first: the process is to end, so that the next reads what the disk holds.
    pub async fn failed(&self) -> Problem {
        self.inner.fault.happened().await
    }

    /// Whose node it is.
    pub fn organisation(&self) -> &Ods {
        &self.inner.organisation
    }

    /// Writes what waits, then stops the writer. Later writes are refused.
    pub async fn close(self) {
        let late = std::mem::take(&mut *self.inner.late.lock());
        if !late.is_empty() {
            let _ = self.inner.writer.write(Write::Trace(late)).await;
        }
        if let Some(journal) = &self.inner.journal {
            journal.stop().await;
        }
        // What cannot be moved now is moved by the next process.
        let _ = self.move_reserve_once().await;
        self.inner.writer.stop().await;
    }

    /// Does all of a job or nothing of it, durably before this returns. Many jobs share a commit.
    ///
    /// # Errors
    /// `Forbidden` if the scope is no scope for changes; `Conflict` and `BusinessRule` (with the
    /// resource as the expression) if what a change expects is not so; `NotFound` for what is
    /// beyond the scope; `Throttled` if too many writes wait; `NoStore` if the disk is full or
    /// faulty; what an effect refuses.
    pub fn commit<'a>(
        &'a self,
        scope: &'a Scope,
        job: Job,
    ) -> BoxFuture<'a, Result<Committed, Problem>> {
        // Its type is in no caller's: the compiler would look through it again in each of them.
        Box::pin(self.commit_job(scope, job))
    }

    async fn commit_job(&self, scope: &Scope, mut job: Job) -> Result<Committed, Problem> {
        if let Err(problem) = may_be_done(scope, &job) {
            return Err(self.refused_change(scope, problem).await);
        }
        if let Some(done) = self.kept_ahead(&job).await? {
            return Ok(done);
        }
        let registry = self.registry();
        for change in &mut job.changes {
            if let Change::Put { resource, .. } = change {
                resource.index_by(&registry)?;
            }
        }
        let shares = |change: &Change| change.names().0 == "Consent";
        let shares = job.changes.iter().any(shares)
            || job
                .effects
                .iter()
                .any(|it| matches!(it, Effect::Sharing(_)));
        // Messages from mailboxes wake the workers as parcels do, which they become.
        let moves = |it: &Effect| {
            matches!(
                it,
                Effect::Parcel(_) | Effect::Diary(_) | Effect::Referral(_) | Effect::Handover(_)
            ) || is_mail(it)
        };
        let parcels = shares || job.effects.iter().any(moves);
        let of_people = |it: &Effect| matches!(it, Effect::Care(_) | Effect::People(_));
        let care = shares || job.effects.iter().any(of_people);
        let write = Write::Job(scope.clone(), job);
        let committed = match self.inner.writer.write(write).await {
            Err(problem) if problem.kind == Kind::Forbidden => {
                return Err(self.refused_change(scope, problem).await);
            }
            Err(problem) if scope.interaction() != Interaction::System => {
                return Err(Box::pin(self.missed_change(scope, problem)).await);
            }
            done => done?,
        };
        if care {
            self.inner.care.forget();
        }
        if parcels {
            self.inner.parcels_changed.send_modify(|count| *count += 1);
        }
        Ok(committed)
    }

    /// Keeps a new message in the journal, where there is one: that is quicker than in its table.
    /// `None` if the job is something else, or the message's id is known.
    async fn kept_ahead(&self, job: &Job) -> Result<Option<Committed>, Problem> {
        let (Some(journal), [Effect::Hl7(Hl7Write::Receive(keeping))]) =
            (&self.inner.journal, job.effects.as_slice())
        else {
            return Ok(None);
        };
        let Some(done) = journal::kept(keeping) else {
            return Ok(None);
        };
        if !job.changes.is_empty() || !job.traces.is_empty() {
            return Ok(None);
        }
        match journal.message(keeping.clone()).await? {
            Taken::Kept => Ok(Some(Committed {
                done: vec![Done::Hl7(done)],
                ..Committed::default()
            })),
            Taken::Known => {
                // What it is compared with is to be where the writer looks.
                journal.caught_up().await;
                Ok(None)
            }
        }
    }

    /// Returns once the tables hold all that was kept before.
    pub(crate) async fn caught_up(&self) {
        if let Some(journal) = &self.inner.journal {
            journal.caught_up().await;
        }
    }

    /// Where the rows are.
    pub(crate) fn database(&self) -> &Database {
        &self.inner.database
    }

    /// Whether new rows go through a journal that this store has.
    pub(crate) fn has_journal(&self) -> bool {
        self.inner.journal.is_some()
    }

    /// Spreads the rows over machines where PostgreSQL has the Citus extension. Repeating it changes
    /// nothing. While it runs, writes wait.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn spread(&self) -> Result<Spread, Problem> {
        match &self.inner.readers {
            Readers::Postgres(pool) => {
                let client = pool.get().await.map_err(failure::pool)?;
                citus::spread(&mut Tx::Postgres(&client)).await
            }
            Readers::Sqlite { .. } => Ok(Spread::Whole),
        }
    }

    /// Tells when rows about parcels have been changed by this process.
    pub fn parcels_changed(&self) -> watch::Receiver<u64> {
        self.inner.parcels_changed.subscribe()
    }

    /// Lets those go first who wait for an answer: returns once the writer is no longer pressed by
    /// small writes, or after a second, which is then `false`. For workers, before each piece of work that
    /// nobody waits for; since it is bounded, they go on under any load.
    pub async fn let_others_first(&self) -> bool {
        self.inner.writer.calm(LET_FIRST_AT_MOST).await
    }

    /// Whether the writer is pressed by small writes just now.
    pub(crate) fn is_pressed(&self) -> bool {
        self.inner.writer.is_pressed()
    }

    /// Reads a row or a few, on this thread.
    pub(crate) async fn rows(&self, sql: &Sql<'_>) -> Result<Vec<Row>, Problem> {
        self.inner.readers.rows(sql).await
    }

    /// Reads rows that are most likely few; as `rows_apart` should it take longer.
    pub(crate) async fn rows_soon(&self, sql: Sql<'static>) -> Result<Vec<Row>, Problem> {
        self.inner.readers.rows_soon(sql).await
    }

    /// Tries a way of reading that is short, or so long that another is better: `None` then.
    pub(crate) async fn rows_tried(&self, sql: Sql<'static>) -> Result<Option<Vec<Row>>, Problem> {
        self.inner.readers.rows_tried(sql).await
    }

    /// Tries a way of reading that takes SQLite so many steps at most; `None` if it takes more, and on PostgreSQL.
    pub(crate) async fn rows_if_quick(
        &self,
        sql: Sql<'static>,
        steps: i32,
    ) -> Result<Option<Vec<Row>>, Problem> {
        self.inner.readers.rows_if_quick(sql, steps).await
    }

    /// Reads what may take longer, on another thread.
    pub(crate) async fn rows_apart(&self, sql: Sql<'static>) -> Result<Vec<Row>, Problem> {
        self.inner.readers.rows_apart(sql).await
    }

    /// Reads many rows, each made into something while it is at hand.
    pub(crate) async fn mapped_apart<T: Send + 'static, const N: usize>(
        &self,
        sql: Sql<'static>,
        each: impl FnMut(&[crate::row::Cell<'_>; N]) -> Result<T, Problem> + Send + 'static,
    ) -> Result<Vec<T>, Problem> {
        self.inner.readers.mapped_apart(sql, each).await
    }

    /// The highest number in the audit log below which no line can come any more.
    pub(crate) async fn settled_audit(&self) -> Result<i64, Problem> {
        match &self.inner.readers {
            Readers::Postgres(pool) => {
                let client = pool.get().await.map_err(failure::pool)?;
                postgres::settled_audit(&client).await
            }
            Readers::Sqlite { .. } => {
                let sql = Sql::new("SELECT COALESCE(MAX(seq), 0) FROM audit");
                let rows = self.rows(&sql).await?;
                rows.first().map_or(Ok(0), |row| row.int(0))
            }
        }
    }

    pub(crate) fn terminology_memory(&self) -> &Memory {
        &self.inner.terminology
    }

    pub(crate) fn package_memory(&self) -> &crate::packages::Memory {
        &self.inner.packages
    }

    pub(crate) fn care_memory(&self) -> &crate::care::Memory {
        &self.inner.care
    }

    pub(crate) fn words(&self) -> &Words {
        &self.inner.words
    }

    /// The search parameters that resources are indexed by.
    pub fn registry(&self) -> Arc<Registry> {
        self.inner.registry.now()
    }

    pub(crate) fn merges(&self) -> &Merges {
        &self.inner.merges
    }

    pub(crate) fn has_text_search(&self) -> bool {
        self.inner.text_search
    }

    pub(crate) fn set_registry(&self, registry: Registry) {
        self.inner.registry.replace(registry);
    }

    /// Resources that may come along with a page of matches.
    pub(crate) fn included_max(&self) -> usize {
        self.inner.included_max
    }

    /// Bytes in a page of matches, and in what comes along with it.
    pub(crate) fn page_bytes_max(&self) -> usize {
        self.inner.page_bytes_max
    }

    pub(crate) fn cache(&self) -> Option<&Cache> {
        self.inner.cache.as_deref()
    }
}

/// Whether it brings a message, or a chunk of one, from a mailbox here.
fn is_mail(effect: &Effect) -> bool {
    use crate::mesh::MeshWrite;
    matches!(
        effect,
        Effect::Mesh(MeshWrite::Accept(_) | MeshWrite::Chunk { .. })
    )
}

/// Keeps room for the audit log. A node without it serves all the same, and says so.
fn reserve(file: &mut journal::File, bytes: u64) {
    if let Err(problem) = file.reserve(bytes) {
        no_reserve(&problem);
    }
}

/// The reserve for the audit log beside PostgreSQL.
fn open_trace_reserve(settings: &Settings) -> Option<TraceReserve> {
    if settings.reserve_bytes == 0 {
        return None;
    }
    let folder = settings.reserve_folder.as_deref();
    let trace_reserve = folder.ok_or_else(journal::no_folder);
    let trace_reserve =
        trace_reserve.and_then(|folder| TraceReserve::open(folder, settings.reserve_bytes));
    trace_reserve.inspect_err(no_reserve).ok()
}

fn no_reserve(cause: &impl std::fmt::Display) {
    tracing::error!(%cause, "there is no room for the reserve: a full disk will stop reading at once");
}

/// Whether the scope is one for what the job changes, before any row is looked at.
fn may_be_done(scope: &Scope, job: &Job) -> Result<(), Problem> {
    for change in &job.changes {
        let (ty, id) = change.names();
        let may = match change {
            _ if !scope.may_change() => {
                let message = "This caller may not change records.";
                Err(Problem::new(Kind::Forbidden, message))
            }
            Change::Release { .. } | Change::Veil { .. } => Ok(()),
            Change::Delete { .. } => scope.may_set_up(ty, true),
            Change::Put { resource, .. } => scope
                .may_set_up(ty, false)
                .and_then(|()| is_own(scope, resource)),
        };
        may.map_err(|problem| problem.at(format!("{ty}/{id}")))?;
    }
    Ok(())
}

/// A patient writes into their own compartment and no other.
fn is_own(scope: &Scope, resource: &crate::Prepared) -> Result<(), Problem> {
    let Reach::Compartment { patient, .. } = scope.reach() else {
        return Ok(());
    };
    match resource.patients.as_slice() {
        [own] if own == patient => Ok(()),
        _ => Err(Problem::new(
            Kind::Forbidden,
            "Only what is one's own is set here.",
        )),
    }
}

pub(crate) fn throttled() -> Problem {
    Problem::new(
        Kind::Throttled,
        "Too much is being written; try again soon.",
    )
}
