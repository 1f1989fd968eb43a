//! Reading one resource by id, against a bare handler that answers the same bytes.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::runtime::Runtime;

use crate::bare::Bare;
use crate::http;
use crate::load::{self, Get};
use crate::measure::{in_turns, median, quantile};
use crate::node::{self, Node};
use crate::report::{Report, Wanted};

const TURNS: usize = 5;
const RATIO_MIN: f64 = 0.5;
const CONNECTIONS: [usize; 2] = [16, 256];

/// A patient as UK systems hold one, about 1.5 kB; made up.
const PATIENT: &str = include_str!("patient.json");

pub fn measure(report: &mut Report, seconds: f64) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    // What the figure is about is the reading; "before-answer" then shows what waiting for the trace's fsync costs.
    let mut ours = Vec::new();
    for (audit, told) in [
        ("within-one-second", "trace within a second"),
        ("before-answer", "trace on disk first"),
    ] {
        let node = Node::start("A99998", "gp-practice", audit)?;
        let (path, body) = create(&node)?;
        let folder = node::folder()?;
        let bare = Bare::start(folder.path(), &body)?;
        let get = Arc::new(Get::new(&path, Some(&node.token)));
        for connections in CONNECTIONS {
            let both = in_turns(
                TURNS,
                || load::run(&runtime, node.pages, connections, seconds, &get),
                || load::run(&runtime, bare.address, connections, seconds, &get),
            )?;
            ours.push(both.0);
            let wanted = if audit == "before-answer" {
                Wanted::Nothing
            } else {
                Wanted::AtLeast(RATIO_MIN)
            };
            report.ratio(
                &format!("read by id, {connections} connections, {told}"),
                "reads/s",
                both,
                wanted,
            );
        }
    }
    if let [_, late, _, durable] = ours.as_slice() {
        report.ratio(
            "read by id, 256 connections, trace on disk first against within a second",
            "reads/s",
            (*durable, *late),
            Wanted::AtLeast(0.5),
        );
    }
    latency(report, &runtime, seconds)
}

/// How long each connection pauses between reads where latency is measured: without a pause it is how
/// many connections there are over how many reads there are in a second, and says nothing more.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a read takes at most connections, each pausing, with its trace on disk first and without, in turns, and
/// how long the commit takes that it then waits for.
fn latency(report: &mut Report, runtime: &Runtime, seconds: f64) -> Result<()> {
    let [_, connections] = CONNECTIONS;
    let mut nodes = Vec::new();
    for audit in ["within-one-second", "before-answer"] {
        let node = Node::start("A99998", "gp-practice", audit)?;
        let (path, _) = create(&node)?;
        let get = Arc::new(Get::new(&path, Some(&node.token)));
        nodes.push((node, get, Vec::new()));
    }
    for _ in 0..TURNS {
        for (node, get, all) in &mut nodes {
            let load = (connections, PAUSE);
            let mut run = load::paced(runtime, node.pages, load, seconds, get)?;
            all.append(&mut run.millis);
        }
    }
    let mut middles = Vec::new();
    for ((_, _, all), told) in nodes
        .iter()
        .zip(["trace within a second", "trace on disk first"])
    {
        middles.push(median(all));
        for (part, value) in [
            ("the middle", median(all)),
            ("99 in 100", quantile(all, 0.99)),
        ] {
            let what = format!(
                "read by id, {connections} connections that pause 100 ms, {told}, latency, {part}"
            );
            report.figure(&what, "ms", value, Wanted::Nothing);
        }
    }
    // A run of its own: what it writes to its log would be part of the figures.
    let (durable, get, _) = nodes.pop().context("no node")?;
    let durable = durable.logging("warn,store::journal=debug")?;
    load::paced(runtime, durable.pages, (connections, PAUSE), seconds, &get)?;
    let commits = group_commits(&durable.log()?);
    ensure!(!commits.is_empty(), "the node told of no group commit");
    let commit = median(&commits);
    for (part, value) in [
        ("the middle", commit),
        ("99 in 100", quantile(&commits, 0.99)),
    ] {
        let what = format!("a group commit under these reads, {part}");
        report.figure(&what, "ms", value, Wanted::Nothing);
    }
    if let [late, durable] = middles.as_slice() {
        report.figure(
            "what the trace on disk first adds to the middle latency",
            "group commits",
            (durable - late).max(0.0) / commit.max(f64::EPSILON),
            Wanted::Below(1.0),
        );
    }
    Ok(())
}

/// How long each group commit took that the log tells of, in milliseconds.
fn group_commits(log: &str) -> Vec<f64> {
    let micros = log.lines().filter_map(|line| {
        let (_, rest) = line.split_once("micros=")?;
        rest.split_whitespace().next()?.parse::<f64>().ok()
    });
    micros.map(|micros| micros / 1000.0).collect()
}

/// Creates the patient; its path and what a read answers.
fn create(node: &Node) -> Result<(String, Vec<u8>)> {
    let mut connection = http::Connection::open(node.pages)?;
    let token = Some(node.token.as_str());
    let path = "/fhir/Patient/bench-patient";
    let (status, body) = connection.send("PUT", path, token, PATIENT.as_bytes())?;
    ensure!(
        status == 201,
        "creating the patient was answered {status}: {}",
        String::from_utf8_lossy(&body)
    );
    let (status, body) = connection.send("GET", path, token, &[])?;
    ensure!(status == 200, "reading the patient was answered {status}");
    serde_json::from_slice::<serde_json::Value>(&body).context("what was read is not JSON")?;
    Ok((path.to_owned(), body))
}
