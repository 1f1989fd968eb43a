//! Python packages, exactly as `assets/requirements*.txt` pin them by hash.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Pin, first_of, fresh_folder, move_into_place, progress, remove_folder};
use crate::shell;
use crate::workspace::Workspace;

/// The NHS design system's page macros: a wheel is downloaded and unpacked; nothing of it is run.
pub fn page_macros(workspace: &Workspace) -> Result<()> {
    let pin = Pin::new(workspace, "page-macros", &["requirements.txt"])?;
    let place = workspace.assets.join("nhsuk-frontend-jinja");
    if pin.is_there() && place.is_dir() {
        return Ok(());
    }
    let python = python()?;
    progress("page macros (pip download)");
    let folder = workspace.assets.join("downloading");
    fresh_folder(&folder)?;
    shell::run(
        Command::new(&python)
            .args([
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                "--only-binary=:all:",
                "--require-hashes",
            ])
            .arg("--dest")
            .arg(&folder)
            .arg("--requirement")
            .arg(workspace.root.join("assets/requirements.txt")),
    )
    .context("pip could not bring the page macros")?;
    let unpacked = folder.join("unpacked");
    shell::run(
        Command::new(&python)
            .args(["-m", "zipfile", "-e"])
            .arg(only_wheel(&folder)?)
            .arg(&unpacked),
    )?;
    move_into_place(&unpacked, &place)?;
    remove_folder(&folder)?;
    pin.brought()
}

/// Tools and real clients for the tests, in a virtual environment of their own.
pub fn test_tools(workspace: &Workspace) -> Result<()> {
    let pin = Pin::new(workspace, "venv-tools", &["requirements-test.txt"])?;
    if pin.is_there() {
        return Ok(());
    }
    let python = python()?;
    progress("test tools and clients (a Python virtual environment)");
    // Its programs hold its own path, so it is made where it stays.
    let folder = workspace.assets.join("venv");
    remove_folder(&folder)?;
    shell::run(Command::new(&python).args(["-m", "venv"]).arg(&folder)).context(
        "Python's venv module is missing or broken: install it, on Debian with `apt-get install python3-venv`",
    )?;
    shell::run(
        Command::new(workspace.venv_programs().join("python"))
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--require-hashes",
            ])
            .arg("--requirement")
            .arg(workspace.root.join("assets/requirements-test.txt")),
    )
    .context("pip could not bring the test tools")?;
    pin.brought()
}

fn python() -> Result<String> {
    let missing = "Python 3 is missing: install it with pip, on Debian with `apt-get install python3 python3-pip python3-venv`";
    let python = first_of(&["python3", "python"], missing)?;
    shell::output(Command::new(&python).args(["-m", "pip", "--version"])).context(
        "Python's pip is missing: install it, on Debian with `apt-get install python3-pip`",
    )?;
    Ok(python)
}

fn only_wheel(folder: &std::path::Path) -> Result<PathBuf> {
    fs::read_dir(folder)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .context("pip brought no wheel")
}
