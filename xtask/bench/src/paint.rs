//! What a patient waits for on a bad line, in a real browser: 400 kbit/s, with 400 ms from question to answer.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::demo::{running, wait_until_filled};
use crate::report::{Report, Wanted};

/// Past the ports of the demos that are measured otherwise.
const BASE_PORT: u16 = 29_800;
const PRACTICE_PORT: u16 = 1;
const COLD_SECONDS_MAX: f64 = 5.0;
const WARM_SECONDS_MAX: f64 = 1.0;
const FIRST_KB_MAX: f64 = 60.0;
const LATER_KB_MAX: f64 = 6.0;

pub fn measure(report: &mut Report) -> Result<()> {
    if std::env::var_os("HANDOVER_ASSETS").is_none() {
        eprintln!("left out: pages on a bad line need the browser that `cargo xtask bench` finds");
        return Ok(());
    }
    let seen = running(BASE_PORT, &["--quiet"], |demo| {
        wait_until_filled(demo)?;
        look()
    })?;
    let number = |name: &str| {
        let value = seen.get(name).and_then(Value::as_f64);
        value.with_context(|| format!("the browser does not say {name}"))
    };
    let rows = [
        (
            "a patient's first visit on 400 kbit/s with 400 ms, first paint",
            "s",
            number("cold")? / 1000.0,
            COLD_SECONDS_MAX,
        ),
        (
            "a later page on that line, first paint, the middle",
            "s",
            number("warm")? / 1000.0,
            WARM_SECONDS_MAX,
        ),
        (
            "a patient's first visit, all that comes",
            "kB",
            number("first")? / 1000.0,
            FIRST_KB_MAX,
        ),
        (
            "the heaviest later page, all that comes",
            "kB",
            number("later")? / 1000.0,
            LATER_KB_MAX,
        ),
    ];
    for (what, unit, value, below) in rows {
        report.figure(what, unit, value, Wanted::Below(below));
    }
    Ok(())
}

/// What the browser measured.
fn look() -> Result<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("paint.mjs");
    let output = Command::new("node")
        .arg(script)
        .arg(format!("http://127.0.0.1:{}", BASE_PORT + PRACTICE_PORT))
        .stderr(Stdio::inherit())
        .output()
        .context("node cannot be started")?;
    ensure!(output.status.success(), "the browser's script failed");
    Ok(serde_json::from_slice(&output.stdout)?)
}
