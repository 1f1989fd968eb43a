//! The workbench: `cargo xtask <task>`. Run `cargo xtask --help` for the tasks.

mod album;
mod bench;
mod check;
mod definitions;
mod demo;
mod sbom;
mod setup;
mod shell;
mod test;
mod v2_tables;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use workspace::Workspace;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Handover's workbench: set-up, demo, tests, checks, figures."
)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Bring the third-party files that the build needs into target/assets (front-end packages, page macros).
    ///
    /// Pinned by hash in assets/; nothing of it is committed. Needs Node with npm, Python 3 with pip, and a C compiler,
    /// and says which is missing. Does nothing when all is there. HANDOVER_ASSETS names another folder.
    Setup {
        /// Also what the tests need: definitions and examples of FHIR R4, browser driver, real clients, cargo tools.
        #[arg(long)]
        test: bool,
    },
    /// Set up, build the release binary, and run `handover demo`: three nodes on this machine.
    ///
    /// Arguments are passed on, such as `cargo xtask demo --fresh`. Ctrl-C stops it.
    Demo {
        /// Arguments for `handover demo`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run every test: on SQLite and PostgreSQL, with real processes, real clients and a real browser.
    ///
    /// Brings what is missing (PostgreSQL and Chromium from Debian's packages when run as root; else it says the command),
    /// starts a PostgreSQL of its own on a free loopback port, and stops it again.
    Test {
        /// Kill nodes at each phase of a letter's way for 1,000 rounds, and run nothing else: about an hour. Without it there
        /// are 20 rounds, among all tests.
        #[arg(long)]
        soak: bool,
        /// Arguments for the test runner, such as a part of a test's name.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Format, clippy with warnings denied, licences and sources of dependencies, architecture rules.
    Check,
    /// Measure, and write docs/benchmarks.md: ratios against what the machine can do, taken in one run.
    Bench {
        /// Arguments for the bench, such as the name of one figure; `--help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Take a picture of every page at two widths, against a demo with made-up people: target/album/index.html.
    ///
    /// Fails when a page answers an error. What is taken is listed in xtask/album/pages.json.
    Album {
        /// Parts of addresses; only pages with one of them are taken.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Write target/sbom/handover.cdx.json: what the released binary is made of, as CycloneDX.
    Sbom,
    /// Make crates/fhir/definitions/r4.json.zst anew from the published R4 definitions.
    Definitions,
    /// Make crates/hl7v2/tables/v2-to-fhir.json.zst anew from HL7's published v2-to-FHIR mapping.
    V2Tables,
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> anyhow::Result<()> {
    let workspace = Workspace::find()?;
    match task {
        Task::Setup { test } => setup::run(
            &workspace,
            if test {
                setup::Level::Test
            } else {
                setup::Level::Build
            },
        ),
        Task::Demo { arguments } => demo::run(&workspace, &arguments),
        Task::Test { soak, arguments } => test::run(&workspace, soak, &arguments),
        Task::Check => check::run(&workspace),
        Task::Bench { arguments } => bench::run(&workspace, &arguments),
        Task::Album { arguments } => album::run(&workspace, &arguments),
        Task::Sbom => sbom::run(&workspace),
        Task::Definitions => {
            setup::run(&workspace, setup::Level::Test)?;
            definitions::run(&workspace.root, &workspace.assets)
        }
        Task::V2Tables => v2_tables::run(&workspace.root),
    }
}
