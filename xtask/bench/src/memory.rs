//! What processes hold and take, as Linux tells it.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};

/// The most that any node held which has ended, in kilobytes.
static NODES_KILOBYTES_MAX: AtomicU64 = AtomicU64::new(0);

/// The most memory that a process has held, in megabytes; `self` is this one.
///
/// # Errors
/// Where the system does not tell.
pub fn megabytes_max(process: &str) -> Result<f64> {
    Ok(kilobytes_max(process)? as f64 / 1024.0)
}

/// The memory that a process holds now, in megabytes.
///
/// # Errors
/// Where the system does not tell.
pub fn megabytes_now(process: u32) -> Result<f64> {
    Ok(kilobytes(&process.to_string(), "VmRSS:")? as f64 / 1024.0)
}

/// Remembers what a node held that is about to end.
pub fn note(process: u32) {
    if let Ok(kilobytes) = kilobytes_max(&process.to_string()) {
        NODES_KILOBYTES_MAX.fetch_max(kilobytes, Ordering::Relaxed);
    }
}

/// The most that any node of this run held, in megabytes.
pub fn nodes_megabytes_max() -> f64 {
    NODES_KILOBYTES_MAX.load(Ordering::Relaxed) as f64 / 1024.0
}

fn kilobytes_max(process: &str) -> Result<u64> {
    kilobytes(process, "VmHWM:")
}

fn kilobytes(process: &str, what: &str) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(what));
    let line = line.context("the system does not tell of memory")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// The processor's time that a process has taken, in seconds.
///
/// # Errors
/// Where the system does not tell.
pub fn cpu_seconds(process: u32) -> Result<f64> {
    // In hundredths, on every Linux that programs are told of.
    const TICKS_A_SECOND: f64 = 100.0;
    let text = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // Behind the name, which may hold anything: state, then numbers; user and system time are the
    // 12th and 13th of all these.
    let (_, rest) = text.rsplit_once(')').context("no such process")?;
    let ticks = rest.split_whitespace().skip(11).take(2);
    let ticks: Vec<f64> = ticks.map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() / TICKS_A_SECOND)
}
