//! The demo: how long until its eight nodes are ready, until 2,000 histories are filled in, and how much memory it holds then.

use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::http;
use crate::node::{binary, folder};
use crate::report::{Report, Wanted};

/// Past the ports that other programs like, so that a demo that runs beside does not matter.
const BASE_PORT: u16 = 29_400;
const READY_SECONDS_MAX: f64 = 5.0;
const FILLED_SECONDS_MAX: f64 = 60.0;
const MEGABYTES_MAX: f64 = 500.0;
/// Where the neighbourhood's own pages are, which are there once all nodes are.
const OWN_PORT: u16 = 9;
/// Some of the day is played before memory is read, ten hours of it in a minute.
const PLAYED_AFTER: Duration = Duration::from_secs(60);
const SPEED: &str = "600";
/// How often is looked whether all histories are there, and for how long.
const LOOKED_EVERY: Duration = Duration::from_millis(250);
const LOOKED_MAX: u32 = 1_200;
const PAGES: u32 = 300;

pub fn measure(report: &mut Report) -> Result<()> {
    let pages = ([127, 0, 0, 1], BASE_PORT).into();
    let arguments = ["--speed", SPEED];
    let (ready, filled, megabytes) = running(BASE_PORT, &arguments, |demo| {
        let ready = demo.began.elapsed().as_secs_f64();
        let filled = wait_until_filled(demo)?;
        std::thread::sleep(PLAYED_AFTER);
        use_it(pages)?;
        Ok((ready, filled, resident_megabytes(demo.process)?))
    })?;
    report.figure(
        "demo, eight nodes, from start with new data to ready",
        "s",
        ready,
        Wanted::Below(READY_SECONDS_MAX),
    );
    report.figure(
        "demo, until the histories of 2,000 people are filled in",
        "s",
        filled,
        Wanted::Below(FILLED_SECONDS_MAX),
    );
    report.figure(
        "demo, eight nodes after most of a day",
        "MB",
        megabytes,
        Wanted::Below(MEGABYTES_MAX),
    );
    Ok(())
}

/// A demo that is there.
pub struct Running {
    /// The neighbourhood's own pages.
    pub own: SocketAddr,
    began: Instant,
    process: u32,
}

/// Starts a demo with new data, does that once it is there, and ends it.
pub fn running<T>(
    base_port: u16,
    arguments: &[&str],
    work: impl FnOnce(&Running) -> Result<T>,
) -> Result<T> {
    let folder = folder()?;
    let began = Instant::now();
    let mut child = Command::new(binary()?)
        .args(["demo", "--fresh"])
        .args(arguments)
        .args(["--base-port", &base_port.to_string(), "--data"])
        .arg(folder.path().join("demo-data"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let demo = Running {
        own: ([127, 0, 0, 1], base_port + OWN_PORT).into(),
        began,
        process: child.id(),
    };
    let outcome = wait_until_there(demo.own).and_then(|()| work(&demo));
    let _ = child.kill();
    let _ = child.wait();
    outcome
}

/// The neighbourhood's own pages come last: then all nodes are there.
fn wait_until_there(own: SocketAddr) -> Result<()> {
    for _ in 0..LOOKED_MAX {
        if TcpStream::connect(own).is_ok() {
            return Ok(());
        }
        std::thread::sleep(LOOKED_EVERY / 10);
    }
    anyhow::bail!("the demo's pages do not come")
}

/// Seconds since the start when no history is missing any more.
pub fn wait_until_filled(demo: &Running) -> Result<f64> {
    for _ in 0..LOOKED_MAX {
        let mut connection = http::Connection::open(demo.own)?;
        let (status, page) = connection.send("GET", "/", None, &[])?;
        ensure!(status == 200, "the demo's own page answered {status}");
        if !String::from_utf8_lossy(&page).contains("Histories are") {
            return Ok(demo.began.elapsed().as_secs_f64());
        }
        std::thread::sleep(LOOKED_EVERY);
    }
    anyhow::bail!("the histories are not filled in")
}

/// Some traffic: memory right after the start would flatter.
fn use_it(pages: SocketAddr) -> Result<()> {
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
