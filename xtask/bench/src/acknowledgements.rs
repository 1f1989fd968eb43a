//! Durable MLLP acknowledgements a second, against a loop that only groups, writes and fsyncs the same bytes.

pub mod bare;

use std::sync::Arc;

use anyhow::Result;
use tokio::runtime::Runtime;

use crate::bare::Bare;

use crate::load::{self, Mllp};
use crate::measure::median;
use crate::message::{HOSPITAL, admission};
use crate::node::{Node, folder};
use crate::report::{Report, Wanted};

const TURNS: usize = 5;
/// Longer than the journal takes a burst in without moving any of it.
const SUSTAINED_SECONDS: f64 = 12.0;
const SUSTAINED_TURNS: usize = 2;

/// Connections, and what is wanted there.
const CONNECTIONS: [(usize, Wanted); 3] = [
    (1, Wanted::Nothing),
    (8, Wanted::Nothing),
    (64, Wanted::AtLeast(0.7)),
];

/// With those numbers of connections only, or with all of them.
pub fn measure(report: &mut Report, seconds: f64, only: Option<usize>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let folder = folder()?;
    let peer = Bare::part("loop", &folder.path().join("log"))?;
    for (connections, wanted) in CONNECTIONS {
        if only.is_some_and(|only| only != connections) {
            continue;
        }
        let mut turn = 0;
        let mut messages = || {
            turn += 1;
            let run = format!("{connections}-{turn}");
            let message = admission;
            Arc::new(Mllp { message, run })
        };
        let mut ours = Vec::new();
        let mut theirs = Vec::new();
        let mut within = Vec::new();
        for _ in 0..TURNS {
            within.push(bare::within(&runtime, connections, seconds, admission)?);
            let mllp = messages();
            theirs.push(load::run(
                &runtime,
                peer.address,
                connections,
                seconds,
                &mllp,
            )?);
            let mllp = messages();
            // A new node each time: what it has still to do behind its answers, which is to map
            // every message, would slow the loops' next turn.
            let node = Node::start(HOSPITAL, "hospital", "before-answer")?;
            ours.push(load::run(&runtime, node.mllp, connections, seconds, &mllp)?);
        }
        let what = format!("MLLP acknowledgements, {connections} connections");
        let ours = median(&ours);
        // The second says what the connections themselves take, which both have.
        for (peer, figures, wanted) in [
            ("loop behind the same connections", &theirs, wanted),
            ("loop fed within its own process", &within, Wanted::Nothing),
        ] {
            let both = (ours, median(figures));
            report.ratio(&format!("{what}, {peer}"), "AA/s", both, wanted);
        }
    }
    sustained(report, &runtime, &peer)
}

/// As many as there are at once, for so long that what is kept must be moved beside them.
fn sustained(report: &mut Report, runtime: &Runtime, peer: &Bare) -> Result<()> {
    let connections = 64;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for turn in 0..SUSTAINED_TURNS {
        let mllp = Arc::new(Mllp {
            message: admission,
            run: format!("sustained-{turn}"),
        });
        let run = |address| load::run(runtime, address, connections, SUSTAINED_SECONDS, &mllp);
        theirs.push(run(peer.address)?);
        let node = Node::start(HOSPITAL, "hospital", "before-answer")?;
        ours.push(run(node.mllp)?);
    }
    let what = format!(
        "MLLP acknowledgements, {connections} connections for {SUSTAINED_SECONDS:.0} s, loop behind the same connections"
    );
    let both = (median(&ours), median(&theirs));
    report.ratio(&what, "AA/s", both, Wanted::Nothing);
    Ok(())
}
