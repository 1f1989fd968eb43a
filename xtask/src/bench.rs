//! `cargo xtask bench`: builds the release binary and the bench, and runs the bench.

use anyhow::Result;

use crate::setup::{self, Level};
use crate::shell::{self, step};
use crate::test::postgres::Postgres;
use crate::workspace::Workspace;

/// # Errors
/// When the set-up, a build or a measurement fails.
pub fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    setup::run(workspace, Level::Build)?;
    step("building the release binary and the bench (minutes the first time)");
    shell::run(workspace.cargo().args([
        "build",
        "--release",
        "--package",
        "handover",
        "--package",
        "handover-bench",
    ]))?;
    let postgres = Postgres::start(workspace)?;
    let mut bench = std::process::Command::new(workspace.target.join("release/handover-bench"));
    bench.args(arguments).current_dir(&workspace.root).env(
        "HANDOVER_BENCH_BINARY",
        workspace.target.join("release/handover"),
    );
    bench.env("HANDOVER_BENCH_POSTGRES", postgres.url());
    let outcome = shell::run(&mut bench);
    postgres.stop()?;
    outcome
}
