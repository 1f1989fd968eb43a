//! `cargo xtask check`: what must hold before the tests are worth running.

use anyhow::Result;

use crate::setup::{self, Level};
use crate::shell::{self, path_with, step};
use crate::workspace::Workspace;

/// # Errors
/// The first check that does not hold.
pub fn run(workspace: &Workspace) -> Result<()> {
    setup::run(workspace, Level::Test)?;
    step("format");
    shell::run(workspace.cargo().args(["fmt", "--all", "--check"]))?;
    step("licences, sources and duplicates of dependencies");
    // Advisories are left out: their database cannot be refreshed everywhere, and a stale one passes what it should not.
    shell::run(
        workspace
            .cargo()
            .args([
                "deny",
                "--log-level",
                "error",
                "check",
                "licenses",
                "bans",
                "sources",
            ])
            .env("PATH", path_with(&workspace.venv_programs())?),
    )?;
    step("clippy, warnings denied");
    shell::run(workspace.cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "--deny",
        "warnings",
    ]))?;
    step("architecture rules");
    // The whole workspace, since a package by itself has other features of its dependencies: all would be built twice.
    shell::run(workspace.cargo().args([
        "test",
        "--quiet",
        "--workspace",
        "--lib",
        "architecture::",
    ]))
}
