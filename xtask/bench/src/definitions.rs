//! How long the first use of the R4 definitions takes in a new process.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use fhir::definitions::Definitions;

use crate::measure::median;
use crate::report::{Report, Wanted};

const PROCESSES: usize = 9;
const MS_MAX: f64 = 30.0;

/// The other process: loads them, and prints the microseconds.
pub fn once() -> Result<()> {
    let began = Instant::now();
    let definitions = Definitions::r4();
    let elapsed = began.elapsed();
    std::hint::black_box(definitions);
    println!("{}", elapsed.as_micros());
    Ok(())
}

pub fn measure(report: &mut Report) -> Result<()> {
    let this = std::env::current_exe()?;
    let mut times = Vec::new();
    for _ in 0..PROCESSES {
        let output = Command::new(&this)
            .args(["--part", "definitions"])
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let microseconds: f64 = text
            .trim()
            .parse()
            .context("the other process printed no time")?;
        times.push(microseconds / 1000.0);
    }
    report.figure(
        "loading the R4 definitions",
        "ms",
        median(&times),
        Wanted::Below(MS_MAX),
    );
    Ok(())
}
