//! `cargo xtask test`: everything that can be tested here.

pub(crate) mod browser;
pub(crate) mod postgres;

use anyhow::Result;
use postgres::Postgres;

use crate::setup::{self, Level};
use crate::shell::{self, path_with, step};
use crate::workspace::Workspace;

/// The test that plays the soak.
const SOAK: &str = "package(handover-tests) & test(/^faults::phases::/)";

/// Runs every test, and the examples in the documentation first, so that the runner's own closing line comes last; with `soak`
/// the soak alone.
///
/// # Errors
/// When something that a test needs is missing and cannot be installed, or a test fails.
pub fn run(workspace: &Workspace, soak: bool, arguments: &[String]) -> Result<()> {
    setup::run(workspace, Level::Test)?;
    let chromium = browser::find_or_install()?;
    let postgres = Postgres::start(workspace)?;
    step("building the binary that the process tests start");
    let binary = workspace.tested_binary()?;
    let command = |words: &[&str]| -> Result<()> {
        let mut cargo = workspace.cargo();
        cargo
            .args(words)
            .args(arguments)
            .env("PATH", path_with(&workspace.venv_programs())?)
            .env("HANDOVER_TEST_POSTGRES", postgres.url())
            .env("HANDOVER_TEST_CHROMIUM", &chromium)
            .env("HANDOVER_TEST_BINARY", &binary);
        if soak {
            cargo.env("HANDOVER_SOAK", "1");
        }
        shell::run(&mut cargo)
    };
    if soak {
        step("soak: nodes killed at each phase of a letter's way, 1,000 rounds");
        let words = [
            "nextest",
            "run",
            "--workspace",
            "--profile",
            "soak",
            "--no-capture",
        ];
        let outcome = command(&[&words[..], &["-E", SOAK]].concat());
        postgres.stop()?;
        return outcome;
    }
    if arguments.is_empty() {
        step("examples in the documentation");
        command(&["test", "--quiet", "--workspace", "--doc"])?;
    }
    step("tests");
    let part = arguments
        .iter()
        .any(|argument| argument == "-p" || argument == "--package");
    let outcome = if part {
        command(&["nextest", "run"])
    } else {
        command(&["nextest", "run", "--workspace"])
    };
    postgres.stop()?;
    outcome
}
