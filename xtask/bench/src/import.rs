//! Importing transactions over FHIR, against raw inserts of the very rows that this left, in commits of the same size.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params_from_iter};
use tempfile::TempDir;

use crate::http;
use crate::measure::in_turns;
use crate::node::{Node, folder};
use crate::report::{Report, Wanted};

const TURNS: usize = 3;
/// Transactions on their way at a time: one is read while another is written.
const SENDERS: usize = 2;
const RATIO_MIN: f64 = 0.4;

/// A transaction Bundle as sent, and how many entries it has.
pub struct Transaction {
    pub body: Vec<u8>,
    pub entries: usize,
}

pub fn measure(report: &mut Report) -> Result<()> {
    let archive = shared_data()?.join("synthea/transactions-50.tar.xz");
    let transactions = unpack(&archive)?;
    let entries: usize = transactions
        .iter()
        .map(|transaction| transaction.entries)
        .sum();
    // The rows are taken from the first import; every import leaves the same ones.
    let rows = {
        let node = Node::start("A99999", "gp-practice", "before-answer")?;
        import(&node, &transactions)?;
        let stopped = node.stop()?;
        Rows::read(&stopped.store(), &transactions)?
    };
    let both = in_turns(
        TURNS,
        || {
            let node = Node::start("A99999", "gp-practice", "before-answer")?;
            let seconds = import(&node, &transactions)?;
            Ok(entries as f64 / seconds)
        },
        || Ok(entries as f64 / rows.insert()?),
    )?;
    report.ratio(
        "transaction import, 50 Synthea Bundles",
        "resources/s",
        both,
        Wanted::AtLeast(RATIO_MIN),
    );
    Ok(())
}

/// The test data's folder: `HANDOVER_SHARED`, or `shared` beside the workspace.
pub fn shared_data() -> Result<PathBuf> {
    let shared = std::env::var_os("HANDOVER_SHARED")
        .map_or_else(|| PathBuf::from("../shared"), PathBuf::from);
    let data = shared.join("data");
    ensure!(
        data.is_dir(),
        "the shared test data is not at {}; HANDOVER_SHARED names another place",
        data.display()
    );
    Ok(data)
}

pub fn unpack(archive: &Path) -> Result<Vec<Transaction>> {
    let (_folder, files) = unpack_files(archive)?;
    files.iter().map(|path| Transaction::open(path)).collect()
}

impl Transaction {
    /// Reads one from its file.
    ///
    /// # Errors
    /// When it cannot be read, or is no JSON.
    pub fn open(path: &Path) -> Result<Transaction> {
        let body = std::fs::read(path)?;
        let bundle = fhir::json::parse(&body, &fhir::json::Limits::default());
        let bundle = bundle.map_err(|problem| anyhow::anyhow!("{}: {problem}", path.display()))?;
        let entries = bundle.items("entry").len();
        Ok(Transaction { body, entries })
    }
}

/// The files of an archive, in order, in a folder below target that goes with what is returned.
///
/// # Errors
/// Without tar, or when the archive cannot be unpacked.
pub fn unpack_files(archive: &Path) -> Result<(TempDir, Vec<PathBuf>)> {
    let folder = folder()?;
    let status = Command::new("tar")
        .arg("xf")
        .arg(archive)
        .arg("-C")
        .arg(folder.path())
        .status();
    ensure!(
        status.context("tar is missing")?.success(),
        "tar could not unpack {}",
        archive.display()
    );
    let mut files = Vec::new();
    for inner in std::fs::read_dir(folder.path())? {
        let listed = std::fs::read_dir(inner?.path())?;
        files.extend(listed.filter_map(|entry| Some(entry.ok()?.path())));
    }
    files.sort();
    Ok((folder, files))
}

/// Sends all, a few at a time; the seconds it took.
pub fn import(node: &Node, transactions: &[Transaction]) -> Result<f64> {
    import_each(node, |at| {
        Ok(transactions
            .get(at)
            .map(|transaction| Cow::Borrowed(transaction.body.as_slice())))
    })
}

/// Sends what `each` gives, a few at a time, until it gives nothing; the seconds it took.
///
/// # Errors
/// When one is not taken.
pub fn import_each<'b>(
    node: &Node,
    each: impl Fn(usize) -> Result<Option<Cow<'b, [u8]>>> + Sync,
) -> Result<f64> {
    let began = Instant::now();
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let send = || -> Result<()> {
            let mut connection = http::Connection::open(node.pages)?;
            loop {
                let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let Some(transaction) = each(at)? else {
                    return Ok(());
                };
                let (status, body) =
                    connection.send("POST", "/fhir", Some(&node.token), &transaction)?;
                ensure!(
                    status == 200,
                    "transaction {at} was answered {status}: {}",
                    String::from_utf8_lossy(&body)
                );
            }
        };
        let senders: Vec<_> = (0..SENDERS).map(|_| scope.spawn(send)).collect();
        senders
            .into_iter()
            .try_for_each(|sender| sender.join().ok().context("a sender panicked")?)
    })?;
    Ok(began.elapsed().as_secs_f64())
}

/// The rows that an import left, in as many commits as there were transactions.
struct Rows {
    schema: Vec<String>,
    inserts: Vec<String>,
    /// For each commit: the statement's place in `inserts`, and the values.
    commits: Vec<Vec<(usize, Vec<Value>)>>,
}

impl Rows {
    fn read(file: &Path, transactions: &[Transaction]) -> Result<Rows> {
        let store = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let texts = |what: &str| -> Result<Vec<String>> {
            let mut statement = store.prepare(what)?;
            let rows = statement.query_map([], |row| row.get(0))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        };
        let schema = texts(
            "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'",
        )?;
        let tables = texts(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
        )?;
        let last_rows = last_row_of_each(&store, transactions)?;
        let mut rows = Rows {
            schema,
            inserts: Vec::new(),
            commits: vec![Vec::new(); transactions.len()],
        };
        for table in tables {
            rows.read_table(&store, &table, &last_rows)?;
        }
        Ok(rows)
    }

    /// Rows of resources go into the commit of their resource; others are spread in their order.
    fn read_table(&mut self, store: &Connection, table: &str, last_rows: &[i64]) -> Result<()> {
        let plain = format!("SELECT * FROM {table}");
        let (by_resource, columns) = {
            let statement = store.prepare(&plain)?;
            let resource = statement
                .column_names()
                .iter()
                .position(|name| *name == "rid");
            (resource, statement.column_count())
        };
        let ordered = if by_resource.is_some() {
            format!("{plain} ORDER BY rid")
        } else {
            plain
        };
        let mut statement = store.prepare(&ordered)?;
        let all: Vec<Vec<Value>> = statement
            .query_map([], |row| {
                (0..columns).map(|column| row.get(column)).collect()
            })?
            .collect::<rusqlite::Result<_>>()?;
        let places: Vec<String> = (1..=columns).map(|number| format!("?{number}")).collect();
        let insert = self.inserts.len();
        self.inserts.push(format!(
            "INSERT INTO {table} VALUES ({})",
            places.join(", ")
        ));
        let count = all.len();
        for (number, row) in all.into_iter().enumerate() {
            let commit = match by_resource.and_then(|column| row.get(column)) {
                Some(Value::Integer(rid)) => last_rows.partition_point(|last| last < rid),
                _ => number * self.commits.len() / count.max(1),
            };
            let last = self.commits.len().saturating_sub(1);
            self.commits
                .get_mut(commit.min(last))
                .context("no commits")?
                .push((insert, row));
        }
        Ok(())
    }

    /// Inserts all into a new file with the store's own settings; the seconds it took.
    fn insert(&self) -> Result<f64> {
        let folder = folder()?;
        let mut store = Connection::open(folder.path().join("raw.sqlite"))?;
        store.execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-8000; PRAGMA wal_autocheckpoint=2000;",
        )?;
        for text in &self.schema {
            store.execute_batch(text)?;
        }
        let began = Instant::now();
        for commit in &self.commits {
            let transaction = store.transaction()?;
            for (insert, values) in commit {
                let text = self.inserts.get(*insert).context("no such statement")?;
                transaction
                    .prepare_cached(text)?
                    .execute(params_from_iter(values))?;
            }
            transaction.commit()?;
        }
        Ok(began.elapsed().as_secs_f64())
    }
}

/// The last resource row of each transaction: rows are numbered as they are made.
fn last_row_of_each(store: &Connection, transactions: &[Transaction]) -> Result<Vec<i64>> {
    let mut statement = store.prepare("SELECT rid FROM res ORDER BY rid")?;
    let numbers: Vec<i64> = statement
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut end = 0;
    let mut last_of = |transaction: &Transaction| {
        end += transaction.entries;
        numbers
            .get(end.saturating_sub(1))
            .copied()
            .context("fewer rows than entries")
    };
    transactions.iter().map(&mut last_of).collect()
}
