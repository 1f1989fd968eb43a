//! Durable single creates: many clients that each wait, against one. Where the disk binds, those who wait share a sync.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};

use crate::load::{self, Protocol};
use crate::measure::median;
use crate::node::Node;
use crate::report::{Report, Wanted};
use crate::slow_disk::SlowDisk;

const TURNS: usize = 3;
const CLIENTS: usize = 64;
/// What a sync takes longer on the slow disk: about what a hard disk takes.
const SLOW_MILLISECONDS: u32 = 10;

/// A create of an Observation, a new one each time, answered 201.
struct Create {
    token: String,
}

impl Protocol for Create {
    fn question(&self, connection: usize, number: u64) -> Vec<u8> {
        let body = format!(
            "{{\"resourceType\":\"Observation\",\"status\":\"final\",\"code\":{{\"text\":\"Body weight\"}},\
             \"effectiveDateTime\":\"2026-01-05T09:00:00Z\",\
             \"valueQuantity\":{{\"value\":{connection}.{number},\"unit\":\"kg\",\
             \"system\":\"http://unitsofmeasure.org\",\"code\":\"kg\"}}}}"
        );
        format!(
            "POST /fhir/Observation HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
             content-type: application/fhir+json\r\nprefer: return=minimal\r\ncontent-length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        )
        .into_bytes()
    }

    fn answered(&self, bytes: &[u8]) -> Result<Option<usize>> {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Ok(None);
        };
        let head =
            String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).to_ascii_lowercase();
        let first = head.lines().next().unwrap_or_default();
        ensure!(first.starts_with("http/1.1 201"), "answered {first}");
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length
            .context("an answer without its length")?
            .trim()
            .parse()?;
        let whole = end + 4 + length;
        Ok((bytes.len() >= whole).then_some(whole))
    }
}

pub fn measure(report: &mut Report, seconds: f64) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let node = Node::start("A99997", "gp-practice", "before-answer")?;
    let what = format!("durable single creates, {CLIENTS} clients against one");
    compare(report, &runtime, seconds, (&what, Wanted::Nothing), &node)?;
    drop(node);
    let disk = SlowDisk::new(SLOW_MILLISECONDS)?;
    let node = Node::start_on(&disk, "A99997", "gp-practice", "before-answer")?;
    let what = format!("{what}, where each fdatasync takes {SLOW_MILLISECONDS} ms longer");
    compare(
        report,
        &runtime,
        seconds,
        (&what, Wanted::AtLeast(20.0)),
        &node,
    )
}

fn compare(
    report: &mut Report,
    runtime: &tokio::runtime::Runtime,
    seconds: f64,
    (what, wanted): (&str, Wanted),
    node: &Node,
) -> Result<()> {
    let create = Arc::new(Create {
        token: node.token.clone(),
    });
    let (mut one, mut many) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        one.push(load::run(runtime, node.pages, 1, seconds, &create)?);
        many.push(load::run(runtime, node.pages, CLIENTS, seconds, &create)?);
    }
    report.ratio(what, "creates/s", (median(&many), median(&one)), wanted);
    Ok(())
}
