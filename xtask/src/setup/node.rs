//! npm packages, exactly as `assets/package-lock.json` pins them, without running scripts of theirs.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Level, Pin, first_of, fresh_folder, move_into_place, progress, remove_folder};
use crate::shell;
use crate::workspace::Workspace;

const FILES: [&str; 2] = ["package.json", "package-lock.json"];

/// Brings `node_modules` for `level`.
pub fn packages(workspace: &Workspace, level: Level) -> Result<()> {
    let for_build = Pin::new(workspace, "npm-build", &FILES)?;
    let for_tests = Pin::new(workspace, "npm-test", &FILES)?;
    // What the tests need includes what the build needs.
    if for_tests.is_there() || (level == Level::Build && for_build.is_there()) {
        return Ok(());
    }
    first_of(
        &["node"],
        "Node is missing: install Node 20 or later, on Debian with `apt-get install nodejs npm`",
    )?;
    let npm = first_of(
        &["npm"],
        "npm is missing: install it with Node, on Debian with `apt-get install npm`",
    )?;
    progress("npm packages (npm ci)");
    let folder = workspace.assets.join("installing");
    fresh_folder(&folder)?;
    for file in FILES {
        fs::copy(workspace.root.join("assets").join(file), folder.join(file)).context(file)?;
    }
    let mut ci = Command::new(npm);
    ci.args([
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ]);
    if level == Level::Build {
        ci.arg("--omit=dev");
    }
    shell::run(ci.current_dir(&folder))?;
    for_build.forget();
    for_tests.forget();
    move_into_place(
        &folder.join("node_modules"),
        &workspace.assets.join("node_modules"),
    )?;
    remove_folder(&folder)?;
    if level == Level::Test {
        for_tests.brought()
    } else {
        for_build.brought()
    }
}
