//! `cargo xtask demo`: set up, build, and become `handover demo`.

use std::process::Command;

use anyhow::Result;

use crate::setup::{self, Level};
use crate::shell::{self, step};
use crate::workspace::Workspace;

/// Runs the demo; comes back only when it cannot be started, or on systems that cannot replace a process.
///
/// # Errors
/// When the set-up or the build fails.
pub fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    setup::run(workspace, Level::Build)?;
    step("building the release binary (minutes the first time)");
    shell::run(
        workspace
            .cargo()
            .args(["build", "--release", "--package", "handover"]),
    )?;
    let mut demo = Command::new(workspace.target.join("release/handover"));
    demo.arg("demo")
        .args(arguments)
        .current_dir(&workspace.root);
    become_it(&mut demo)
}

/// The demo takes this process's place, so that Ctrl-C and a supervisor's signals reach it itself.
#[cfg(unix)]
fn become_it(command: &mut Command) -> Result<()> {
    use std::os::unix::process::CommandExt as _;
    Err(command.exec().into())
}

#[cfg(not(unix))]
fn become_it(command: &mut Command) -> Result<()> {
    shell::run(command)
}
