//! Reading one resource by id, against a bare handler that answers the same bytes.

mod latency;

use std::sync::Arc;

use anyhow::{Context, Result, ensure};

use crate::bare::Bare;
use crate::http;
use crate::load::{self, Get};
use crate::measure::in_turns;
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
    latency::measure(report, &runtime, seconds)
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
