//! How long a read takes with its trace on disk first and without, against what the same wait costs a bare handler.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::runtime::Runtime;

use super::create;
use crate::bare::Bare;
use crate::load::{self, Get};
use crate::measure::{median, quantile};
use crate::node::{self, Node};
use crate::report::{Report, Wanted};

const TURNS: usize = 5;
const CONNECTIONS: usize = 256;
/// How long each connection pauses between reads: without a pause the latency is how many connections there
/// are over how many reads there are in a second, and says nothing more.
const PAUSE: Duration = Duration::from_millis(100);

/// One of the four that are measured in turns.
struct Side<'s> {
    told: &'s str,
    address: std::net::SocketAddr,
    get: Arc<Get>,
    millis: Vec<f64>,
}

/// Measures both handlers, each with and without a group commit before its answer, in turns.
pub(super) fn measure(report: &mut Report, runtime: &Runtime, seconds: f64) -> Result<()> {
    let late = Node::start("A99998", "gp-practice", "within-one-second")?;
    let durable = Node::start("A99998", "gp-practice", "before-answer")?;
    let (path, body) = create(&late)?;
    create(&durable)?;
    let folder = node::folder()?;
    let bare = Bare::start(folder.path(), &body)?;
    let kept = Bare::part("kept", &folder.path().join("bytes"))?;
    let side = |told, address, token| Side {
        told,
        address,
        get: Arc::new(Get::new(&path, token)),
        millis: Vec::new(),
    };
    let mut sides = [
        side(
            "trace within a second",
            late.pages,
            Some(late.token.as_str()),
        ),
        side(
            "trace on disk first",
            durable.pages,
            Some(durable.token.as_str()),
        ),
        side("bare handler", bare.address, None),
        side(
            "bare handler that waits for a group commit",
            kept.address,
            None,
        ),
    ];
    for _ in 0..TURNS {
        for side in &mut sides {
            let load = (CONNECTIONS, PAUSE);
            let run = load::paced(runtime, side.address, load, seconds, &side.get)?;
            side.millis.extend(run.millis);
        }
    }
    let mut middles = Vec::new();
    for Side { told, millis, .. } in &sides {
        middles.push(median(millis));
        let what = format!("a read, {CONNECTIONS} connections that pause 100 ms, {told}, latency");
        for (part, value) in [
            ("the middle", median(millis)),
            ("99 in 100", quantile(millis, 0.99)),
        ] {
            report.figure(&format!("{what}, {part}"), "ms", value, Wanted::Nothing);
        }
    }
    if let [late, durable, bare, kept] = middles.as_slice() {
        let commit = kept - bare;
        ensure!(commit > 0.0, "the bare handler did not wait for its commit");
        report.figure(
            "what waiting for a group commit adds to a bare handler's middle latency",
            "ms",
            commit,
            Wanted::Nothing,
        );
        report.figure(
            "what the trace on disk first adds to the middle latency",
            "group commits",
            (durable - late).max(0.0) / commit,
            Wanted::Below(1.0),
        );
    }
    syncs(report, runtime, durable, seconds)
}

/// How long the write and the sync alone take under these reads. In a run of its own: what the node writes to its log
/// would be part of the figures.
fn syncs(report: &mut Report, runtime: &Runtime, durable: Node, seconds: f64) -> Result<()> {
    let durable = durable.logging("warn,store::journal=debug")?;
    let get = Arc::new(Get::new(
        "/fhir/Patient/bench-patient",
        Some(&durable.token),
    ));
    load::paced(runtime, durable.pages, (CONNECTIONS, PAUSE), seconds, &get)?;
    let log = durable.log()?;
    let micros = log.lines().filter_map(|line| {
        let (_, rest) = line.split_once("micros=")?;
        rest.split_whitespace().next()?.parse::<f64>().ok()
    });
    let millis: Vec<f64> = micros.map(|micros| micros / 1000.0).collect();
    ensure!(!millis.is_empty(), "the node told of no group commit");
    for (part, value) in [
        ("the middle", median(&millis)),
        ("99 in 100", quantile(&millis, 0.99)),
    ] {
        let what = format!("write and sync of a group commit under these reads, {part}");
        report.figure(&what, "ms", value, Wanted::Nothing);
    }
    Ok(())
}
