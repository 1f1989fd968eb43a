//! `cargo xtask setup`: third-party files, pinned by hash in `assets/`, into the assets folder.
//!
//! What was brought is written down in a file beside it, so that a second run does nothing and a changed pin brings
//! the change. Packages are put together in a folder of their own and moved into place whole.

mod node;
mod python;

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::shell::{self, step};
use crate::workspace::Workspace;

/// How much to bring.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// What the build needs.
    Build,
    /// What the build and the tests need.
    Test,
}

/// Brings what `level` needs and is not there yet.
///
/// # Errors
/// When a tool is missing (the message says which, and what to install) or a package cannot be brought.
pub fn run(workspace: &Workspace, level: Level) -> Result<()> {
    let assets = &workspace.assets;
    fs::create_dir_all(assets).with_context(|| format!("cannot make {}", assets.display()))?;
    // Two set-ups at once would tread on each other's folders; the lock goes with the process.
    let lock = File::create(assets.join(".lock"))?;
    lock.lock().context("cannot lock the assets folder")?;
    c_compiler()?;
    node::packages(workspace, level)?;
    python::page_macros(workspace)?;
    if level == Level::Test {
        python::test_tools(workspace)?;
        fault_tools();
    }
    Ok(())
}

/// What makes a disk fail, clocks jump, and lines lose packets or be thin. Without one of them the tests of those
/// faults are skipped, and say so.
fn fault_tools() {
    for (program, package, what_for) in [
        ("strace", "strace", "strace, which makes syncs fail"),
        ("nft", "nftables", "nft, which loses packets"),
        ("tc", "iproute2", "tc, which makes lines thin"),
        (
            "faketime",
            "faketime",
            "libfaketime, which puts a node's clock forward and back",
        ),
        (
            "unshare",
            "util-linux",
            "unshare, which gives a test its own network",
        ),
    ] {
        if crate::shell::which(program).is_none()
            && let Err(reason) = crate::shell::install_package(package, what_for)
        {
            eprintln!("note: {reason:#}");
        }
    }
}

/// SQLite, TLS and compression are C: without a compiler the build stops late and darkly.
fn c_compiler() -> Result<()> {
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    if Command::new(&compiler).arg("--version").output().is_err() {
        bail!(
            "a C compiler is missing ({compiler}): install one, on Debian with `apt-get install gcc libc6-dev`"
        );
    }
    Ok(())
}

/// A set of pinned packages and the note of what was last brought.
struct Pin<'a> {
    assets: &'a Path,
    name: &'a str,
    digest: String,
}

impl<'a> Pin<'a> {
    /// `files` are the pins; their digest is what the note holds.
    fn new(workspace: &'a Workspace, name: &'a str, files: &[&str]) -> Result<Pin<'a>> {
        let mut digest = Sha256::new();
        for file in files {
            let path = workspace.root.join("assets").join(file);
            digest.update(fs::read(&path).with_context(|| path.display().to_string())?);
        }
        let digest = digest
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Ok(Pin {
            assets: &workspace.assets,
            name,
            digest,
        })
    }

    fn is_there(&self) -> bool {
        fs::read_to_string(self.note()).is_ok_and(|noted| noted == self.digest)
    }

    fn brought(&self) -> Result<()> {
        fs::write(self.note(), &self.digest).context("cannot note what was brought")
    }

    fn forget(&self) {
        // Not there is what is wanted.
        let _ = fs::remove_file(self.note());
    }

    fn note(&self) -> std::path::PathBuf {
        self.assets.join(format!(".{}", self.name))
    }
}

/// An empty folder to put a package together in.
fn fresh_folder(path: &Path) -> Result<()> {
    remove_folder(path)?;
    fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))
}

fn remove_folder(path: &Path) -> Result<()> {
    if path.exists() {
        fs::remove_dir_all(path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

/// Moves a finished folder into its place, over the old one.
fn move_into_place(from: &Path, to: &Path) -> Result<()> {
    remove_folder(to)?;
    fs::rename(from, to).with_context(|| format!("cannot move {} into place", to.display()))
}

/// The first of `programs` that answers to `--version`.
fn first_of(programs: &[&str], missing: &str) -> Result<String> {
    programs
        .iter()
        .find(|program| shell::output(Command::new(program).arg("--version")).is_ok())
        .map(|program| (*program).to_owned())
        .with_context(|| missing.to_owned())
}

fn progress(what: &str) {
    step(&format!("setup: {what}"));
}
