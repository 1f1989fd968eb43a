//! The demo: how long until it is ready, and how much memory its three nodes hold.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::http;
use crate::node::{binary, folder, wait_until_ready};
use crate::report::{Report, Wanted};

/// Past the ports that other programs like, so that a demo that runs beside does not matter.
const BASE_PORT: u16 = 29_400;
const READY_SECONDS_MAX: f64 = 3.0;
const MEGABYTES_MAX: f64 = 120.0;
/// The demo plays a short day after it is ready.
const PLAYED_AFTER: Duration = Duration::from_secs(15);
const PAGES: u32 = 300;

pub fn measure(report: &mut Report) -> Result<()> {
    let folder = folder()?;
    let pages = ([127, 0, 0, 1], BASE_PORT).into();
    // The nodes start one after another.
    let last_pages = ([127, 0, 0, 1], BASE_PORT + 2).into();
    let began = Instant::now();
    let mut child = Command::new(binary()?)
        .args([
            "demo",
            "--fresh",
            "--base-port",
            &BASE_PORT.to_string(),
            "--data",
        ])
        .arg(folder.path().join("demo-data"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let outcome = wait_until_ready(&mut child, last_pages).and_then(|_| {
        let ready = began.elapsed().as_secs_f64();
        std::thread::sleep(PLAYED_AFTER);
        use_it(pages)?;
        Ok((ready, resident_megabytes(child.id())?))
    });
    let _ = child.kill();
    let _ = child.wait();
    let (ready, megabytes) = outcome?;
    report.figure(
        "demo, from start with new data to ready",
        "s",
        ready,
        Wanted::Below(READY_SECONDS_MAX),
    );
    report.figure(
        "demo, three nodes after a day's messages",
        "MB",
        megabytes,
        Wanted::Below(MEGABYTES_MAX),
    );
    Ok(())
}

/// Some traffic: memory right after the start would flatter.
fn use_it(pages: std::net::SocketAddr) -> Result<()> {
    let mut connection = http::Connection::open(pages)?;
    for _ in 0..PAGES {
        let (status, _) = connection.send("GET", "/fhir/metadata", None, &[])?;
        ensure!(status == 200, "the demo answered {status}");
    }
    Ok(())
}

fn resident_megabytes(pid: u32) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))
        .context("no /proc on this system")?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("no VmRSS")?;
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes / 1024.0)
}
