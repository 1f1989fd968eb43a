//! A practice's worth of made-up records: how fast they are taken in, what they hold on disk and in
//! memory, how soon a record streams, how fast all of it is exported.

use std::borrow::Cow;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::http::Connection;
use crate::import::{import_each, shared_data, unpack_files};
use crate::measure::median;
use crate::memory;
use crate::node::{Node, Store};
use crate::report::{Report, Wanted};

const RESOURCES: usize = 191_093;
const IMPORT_MIN: f64 = 8_000.0;
const BYTES_MAX: f64 = 1_000.0;
const NODE_MEGABYTES_MAX: f64 = 150.0;
const BENCH_MEGABYTES_MAX: f64 = 400.0;
const FIRST_BYTE_MILLISECONDS_MAX: f64 = 10.0;
/// `$everything` of a large record may make a node hold so much more.
const GROWN_MEGABYTES_MAX: f64 = 20.0;
const EXPORT_MEGABYTES_MIN: f64 = 100.0;
/// Records that are streamed.
const RECORDS: usize = 50;
const EXPORT_SECONDS_MAX: u64 = 300;

pub fn measure(report: &mut Report) -> Result<()> {
    let archive = shared_data()?.join("synthea/transactions-617.tar.zst");
    let (_folder, files) = unpack_files(&archive)?;
    for store in std::iter::once(Store::Sqlite).chain(Store::postgres()) {
        measure_in(report, &store, &files)?;
    }
    Ok(())
}

fn measure_in(report: &mut Report, store: &Store, files: &[std::path::PathBuf]) -> Result<()> {
    let on = store.name();
    let node = Node::start_in(store, "A99996", "gp-practice", "before-answer")?;
    let seconds = import_each(&node, |at| match files.get(at) {
        Some(path) => Ok(Some(Cow::Owned(std::fs::read(path)?))),
        None => Ok(None),
    })?;
    let rate = RESOURCES as f64 / seconds;
    let what = format!("import of {RESOURCES} resources, {on}");
    report.figure(&what, "resources/s", rate, Wanted::AtLeast(IMPORT_MIN));
    let what = format!("the most memory held during that import, {on}");
    let megabytes = node.megabytes_max()?;
    report.figure(&what, "MB", megabytes, Wanted::Below(NODE_MEGABYTES_MAX));
    everything(report, &node, on)?;
    export(report, &node, on)?;
    let what = format!("the most memory held after all this, {on}");
    let megabytes = node.megabytes_max()?;
    report.figure(&what, "MB", megabytes, Wanted::Below(NODE_MEGABYTES_MAX));
    let stopped = node.stop()?;
    if matches!(store, Store::Sqlite) {
        let bytes = size(&stopped.store())? / RESOURCES as f64;
        let what = "disk a resource, with history, index and log, SQLite";
        report.figure(what, "bytes", bytes, Wanted::Below(BYTES_MAX));
    }
    Ok(())
}

fn size(file: &Path) -> Result<f64> {
    Ok(std::fs::metadata(file)?.len() as f64)
}

fn everything(report: &mut Report, node: &Node, on: &str) -> Result<()> {
    let mut connection = Connection::open(node.pages)?;
    let ids = patients(&mut connection, node)?;
    let before = node.megabytes_max()?;
    let (mut first_bytes, mut seconds, mut largest) = (Vec::new(), Vec::new(), 0);
    for id in &ids {
        let path = format!("/fhir/Patient/{id}/$everything");
        let counted = connection.count(&path, &node.token, "")?;
        ensure!(
            counted.status == 200,
            "$everything was answered {}",
            counted.status
        );
        first_bytes.push(counted.first_byte_seconds * 1000.0);
        seconds.push(counted.seconds);
        largest = largest.max(counted.bytes);
    }
    let grown = node.megabytes_max()? - before;
    report.figure(
        &format!("$everything, first byte, the middle of {RECORDS} records, {on}"),
        "ms",
        median(&first_bytes),
        Wanted::Below(FIRST_BYTE_MILLISECONDS_MAX),
    );
    let rate = 1.0 / median(&seconds).max(f64::EPSILON);
    let what = format!("$everything, one client after another, {on}");
    report.figure(&what, "records/s", rate, Wanted::Nothing);
    report.figure(
        &format!(
            "memory that $everything added, the largest record {} kB, {on}",
            largest / 1000
        ),
        "MB",
        grown,
        Wanted::Below(GROWN_MEGABYTES_MAX),
    );
    Ok(())
}

fn patients(connection: &mut Connection, node: &Node) -> Result<Vec<String>> {
    let path = format!("/fhir/Patient?_count={RECORDS}&_elements=id");
    let (status, body) = connection.send("GET", &path, Some(&node.token), &[])?;
    ensure!(
        status == 200,
        "searching for patients was answered {status}"
    );
    let found: serde_json::Value = serde_json::from_slice(&body)?;
    let entries = found.get("entry").and_then(serde_json::Value::as_array);
    let ids = entries.context("no patients")?.iter().filter_map(|entry| {
        let id = entry.pointer("/resource/id")?.as_str()?;
        Some(id.to_owned())
    });
    Ok(ids.collect())
}

/// Bytes of all files, by the processor's time that making and sending them took.
fn export(report: &mut Report, node: &Node, on: &str) -> Result<()> {
    let mut connection = Connection::open(node.pages)?;
    let before = node.cpu_seconds()?;
    let began = Instant::now();
    let kicked = connection.count(
        "/fhir/$export?_purpose=TREAT",
        &node.token,
        "prefer: respond-async\r\n",
    )?;
    ensure!(
        kicked.status == 202,
        "$export was answered {}",
        kicked.status
    );
    let at = kicked.header("content-location");
    let at = path_of(at.context("$export names no place")?);
    let manifest = loop {
        let (status, body) = connection.send("GET", &at, Some(&node.token), &[])?;
        match status {
            200 => break serde_json::from_slice::<serde_json::Value>(&body)?,
            202 | 429 => {}
            other => anyhow::bail!("the export's status was answered {other}"),
        }
        ensure!(
            began.elapsed().as_secs() < EXPORT_SECONDS_MAX,
            "the export did not end"
        );
        std::thread::sleep(Duration::from_millis(200));
    };
    let mut bytes = 0;
    let files = manifest.get("output").and_then(serde_json::Value::as_array);
    for file in files.context("the export has no files")? {
        let url = file.get("url").and_then(serde_json::Value::as_str);
        let path = path_of(url.context("a file without an address")?);
        let counted = connection.count(&path, &node.token, "")?;
        ensure!(
            counted.status == 200,
            "a file was answered {}",
            counted.status
        );
        bytes += counted.bytes;
    }
    let taken = node.cpu_seconds()? - before;
    let megabytes = bytes as f64 / 1e6;
    report.figure(
        &format!("$export of {megabytes:.0} MB, made and fetched, {on}"),
        "MB/s a core",
        megabytes / taken.max(f64::EPSILON),
        Wanted::AtLeast(EXPORT_MEGABYTES_MIN),
    );
    Ok(())
}

/// The path of an address.
fn path_of(address: &str) -> String {
    let behind = address.split_once("://").map_or(address, |(_, rest)| rest);
    behind
        .find('/')
        .and_then(|at| behind.get(at..))
        .unwrap_or("/")
        .to_owned()
}

/// What this run held at most: its largest node and the bench itself.
pub fn memory(report: &mut Report) -> Result<()> {
    let own = memory::megabytes_max("self")?;
    let largest = memory::nodes_megabytes_max();
    report.figure(
        "the most memory held: the largest node and the bench together",
        "MB",
        own + largest,
        Wanted::Below(BENCH_MEGABYTES_MAX),
    );
    Ok(())
}
