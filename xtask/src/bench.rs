//! `cargo xtask bench`: builds the release binary and the bench, and runs the bench.

use anyhow::Result;

use crate::setup::{self, Level};
use crate::shell::{self, step};
use crate::test::browser;
use crate::test::postgres::Postgres;
use crate::workspace::Workspace;

/// # Errors
/// When the set-up, a build or a measurement fails.
pub fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    // The browser and the clients of the tests are measured with too.
    setup::run(workspace, Level::Test)?;
    let chromium = browser::find_or_install()?;
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
    bench
        .env("HANDOVER_BENCH_POSTGRES", postgres.url())
        .env("HANDOVER_ASSETS", &workspace.assets)
        .env("HANDOVER_TEST_CHROMIUM", &chromium);
    let outcome = shell::run(&mut bench);
    postgres.stop()?;
    outcome
}
