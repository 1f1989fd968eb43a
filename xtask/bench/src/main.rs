//! What Handover does in a second, as ratios against what this machine can do, both taken in one run.
//!
//! Started by `cargo xtask bench`, which builds the release binary first. Everything runs on loopback, for a bounded time.

mod acknowledgements;
mod ask;
mod audit_verify;
mod bare;
mod creates;
mod decision;
mod definitions;
mod demo;
mod drain;
mod far;
mod http;
mod idle;
mod import;
mod letter;
mod load;
mod machine;
mod mail;
mod mapping;
mod measure;
mod memory;
mod message;
mod node;
mod pages;
mod paint;
mod read;
mod report;
mod scale;
mod searches;
mod slow_disk;
mod terminology;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use report::Report;

// As in the node: what is measured within this process is what the node would do.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(
    name = "cargo xtask bench",
    about = "Measures, prints, and writes docs/benchmarks.md."
)]
struct Arguments {
    /// Which figures; all when none is named (then docs/benchmarks.md is written).
    figures: Vec<Figure>,
    /// Write those that are named into docs/benchmarks.md too, beside what was measured before.
    #[arg(long)]
    write: bool,
    /// Seconds that each throughput is measured for, each of several times.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Resources that the larger store of `searches` holds.
    #[arg(long, default_value_t = 1_000_000)]
    resources: usize,
    /// Only so many connections, of those that `acknowledgements` measures.
    #[arg(long)]
    connections: Option<usize>,
    /// For the bench itself: the other process of a measurement.
    #[arg(long, hide = true)]
    part: Option<Part>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Figure {
    /// How long loading the R4 definitions takes.
    Definitions,
    /// Transaction import over FHIR, against raw inserts of the same rows in commits of the same size.
    Import,
    /// Read by id, against a bare handler that answers the same bytes.
    Read,
    /// Thousands of TLS connections that say nothing: memory, and requests beside them.
    Idle,
    /// One decision on who may see what.
    Decision,
    /// Durable single creates from 64 clients, against one.
    Creates,
    /// Durable MLLP acknowledgements a second, against a loop that groups, writes and fsyncs the same bytes.
    Acknowledgements,
    /// HL7 v2 admissions translated to FHIR on one core.
    Mapping,
    /// From the first MLLP byte at the hospital to the row in the practice's inbox.
    Letter,
    /// How fast letters arrive that waited for a neighbour that was away.
    Drain,
    /// The same with 100,000 letters, urgent ones sent meanwhile; minutes.
    Backlog,
    /// A message of 50 MB to a mailbox, against a bare upload of the same bytes.
    Mail,
    /// What eight other nodes hold of one patient, asked for at once.
    Ask,
    /// The demo's time to ready and its memory.
    Demo,
    /// How long each page takes at 100 pages a second, with 2,000 people loaded; minutes.
    Pages,
    /// First paint and weight of a patient's pages on a bad line, in a real browser.
    Paint,
    /// Finding concepts by text among 500,000.
    Terminology,
    /// 191,093 resources: their import, disk and memory, `$everything`, `$export`; minutes.
    Scale,
    /// Lines of the audit log that are verified in a second.
    AuditVerify,
    /// Ten searches over a store and over one ten times its size; minutes.
    Searches,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Loads the definitions once and prints the microseconds.
    Definitions,
    /// Serves the bytes of a file from a bare handler and prints its address.
    Bare,
    /// The bare handler, which answers once the loop has a line of each request on disk; prints its address.
    Kept,
    /// Opens TLS connections that say nothing, and holds them.
    Idle,
    /// The loop of the acknowledgements behind MLLP connections; prints its address.
    Loop,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    match arguments.part {
        Some(Part::Definitions) => return definitions::once(),
        Some(Part::Bare) => return bare::serve(),
        Some(Part::Kept) => return bare::serve_kept(),
        Some(Part::Idle) => return idle::hold(),
        Some(Part::Loop) => return acknowledgements::bare::serve(),
        None => {}
    }
    let all = arguments.figures.is_empty();
    let wanted = |figure| all || arguments.figures.contains(&figure);
    let mut report = Report::new();
    if wanted(Figure::Definitions) {
        definitions::measure(&mut report)?;
    }
    if wanted(Figure::Import) {
        import::measure(&mut report)?;
    }
    if wanted(Figure::Read) {
        read::measure(&mut report, arguments.seconds)?;
    }
    if wanted(Figure::Idle) {
        idle::measure(&mut report)?;
    }
    if wanted(Figure::Decision) {
        decision::measure(&mut report)?;
    }
    if wanted(Figure::Creates) {
        creates::measure(&mut report, arguments.seconds)?;
    }
    if wanted(Figure::Acknowledgements) {
        acknowledgements::measure(&mut report, arguments.seconds, arguments.connections)?;
    }
    if wanted(Figure::Mapping) {
        mapping::measure(&mut report)?;
    }
    if wanted(Figure::Letter) {
        letter::measure(&mut report)?;
    }
    if wanted(Figure::Drain) {
        drain::measure(&mut report)?;
    }
    if wanted(Figure::Backlog) {
        drain::measure_long(&mut report)?;
    }
    if wanted(Figure::Mail) {
        mail::measure(&mut report)?;
    }
    if wanted(Figure::Ask) {
        ask::measure(&mut report)?;
    }
    if wanted(Figure::Demo) {
        demo::measure(&mut report)?;
    }
    if wanted(Figure::Pages) {
        pages::measure(&mut report)?;
    }
    if wanted(Figure::Paint) {
        paint::measure(&mut report)?;
    }
    if wanted(Figure::Terminology) {
        terminology::measure(&mut report)?;
    }
    if wanted(Figure::Scale) {
        scale::measure(&mut report)?;
    }
    if wanted(Figure::AuditVerify) {
        audit_verify::measure(&mut report)?;
    }
    if wanted(Figure::Searches) {
        searches::measure(&mut report, arguments.seconds, arguments.resources)?;
    }
    scale::memory(&mut report)?;
    if all || arguments.write {
        report.write(!all)?;
    }
    Ok(())
}
