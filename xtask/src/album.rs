//! `cargo xtask album`: a picture of every page at two widths, against a demo of its own, in `target/album/index.html`.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};

use crate::setup::{self, Level};
use crate::shell::{self, step};
use crate::test::browser;
use crate::workspace::Workspace;

/// Ports that the demo takes from its base on.
const PORTS: u16 = 23;
/// People beside the hand-made ones: enough for each story, few enough to be there soon.
const PEOPLE: &str = "150";
/// As fast as the day goes.
const SPEED: &str = "3600";
/// What the demo prints last once it is ready.
const READY: &str = "Ctrl-C ends it.";

/// Takes the pictures; `arguments` are parts of addresses, and only pages with one of them are taken.
///
/// # Errors
/// When the set-up, the build or the demo fails, or a page answers an error.
pub fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    setup::run(workspace, Level::Test)?;
    let chromium = browser::find_or_install()?;
    step("building the binary");
    let binary = workspace.tested_binary()?;
    let folder = workspace.target.join("album");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let demo = Demo::start(workspace, &binary, &folder)?;
    step("taking pictures");
    let outcome = shell::run(
        Command::new("node")
            .arg(workspace.root.join("xtask/album/album.mjs"))
            .args(arguments)
            .env("HANDOVER_ASSETS", &workspace.assets)
            .env("HANDOVER_TEST_CHROMIUM", &chromium)
            .env("HANDOVER_ALBUM_BASE_PORT", demo.base_port.to_string())
            .env("HANDOVER_ALBUM_FOLDER", &folder),
    );
    drop(demo);
    outcome?;
    step(&format!("{}", folder.join("index.html").display()));
    Ok(())
}

/// The demo that is looked at; it ends with this.
struct Demo {
    process: Child,
    base_port: u16,
}

impl Demo {
    fn start(workspace: &Workspace, binary: &Path, folder: &Path) -> Result<Demo> {
        let base_port = free_ports()?;
        let data: PathBuf = folder.join("demo-data");
        step(&format!("starting a demo on port {base_port} and up"));
        let mut process = Command::new(binary)
            .args(["demo", "--fresh", "--people", PEOPLE, "--speed", SPEED])
            .args(["--base-port", &base_port.to_string()])
            .arg("--data")
            .arg(&data)
            .current_dir(&workspace.root)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("the demo cannot be started")?;
        let said = process.stdout.take();
        let demo = Demo { process, base_port };
        let mut lines = BufReader::new(said.context("the demo says nothing")?).lines();
        let ready = lines.by_ref().find(|line| match line {
            Ok(line) => line.contains(READY),
            Err(_) => true,
        });
        let Some(Ok(_)) = ready else {
            bail!("the demo ended before it was ready");
        };
        // What it says later is read away, so that it never waits for somebody to read it.
        thread::spawn(move || lines.for_each(drop));
        Ok(demo)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if let Err(cause) = self.process.kill() {
            eprintln!("the demo cannot be ended: {cause}");
        }
        let _ = self.process.wait();
    }
}

/// The first of a run of ports that were free a moment ago.
fn free_ports() -> Result<u16> {
    for _ in 0..100 {
        let base = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let Some(end) = base.checked_add(PORTS).filter(|it| *it <= 65_500) else {
            continue;
        };
        let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if (base..end).all(free) {
            return Ok(base);
        }
    }
    bail!("there is no run of {PORTS} free ports")
}
