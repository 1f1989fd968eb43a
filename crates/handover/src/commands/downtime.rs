//! `handover downtime`: the pack for when everything is off, made by hand and looked into.

use std::path::{Path, PathBuf};

use access::Ods;
use anyhow::{Context as _, bail};

use crate::config::Config;
use crate::node;

/// The pack for when everything is off: made now, or opened to see that it opens.
///
/// `handover serve` writes one every few minutes into the folder of [downtime]: a file that any browser opens with the
/// passphrase, without a network. See docs/downtime.md.
///
/// Examples:
///   handover downtime pack --config handover.toml
///   handover downtime open --passphrase-file keys/downtime-passphrase handover-downtime-RZZ01.html
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Downtime {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Writes one now. Prints where, of how many patients, and what was left out; no name.
    Pack {
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
        /// Another folder than that of the settings.
        #[arg(long)]
        folder: Option<PathBuf>,
    },
    /// Opens one and prints what is inside as HTML: people's data, on standard output. For tests of whether it opens;
    /// staff open it in a browser. Beside a node's settings it is written into that node's log.
    Open {
        /// The file.
        file: PathBuf,
        /// The settings of the node whose log it goes into; elsewhere, where there are none, nothing is logged.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
        /// A file with the passphrase.
        #[arg(long)]
        passphrase_file: PathBuf,
        /// Prints only what it is, of when, and until when it opens.
        #[arg(long)]
        facts: bool,
    },
}

impl Downtime {
    pub async fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Pack { config, folder } => pack(&config, folder).await,
            Command::Open {
                file,
                config,
                passphrase_file,
                facts,
            } => open(&file, &config, &passphrase_file, facts).await,
        }
    }
}

async fn pack(config: &Path, folder: Option<PathBuf>) -> anyhow::Result<()> {
    let config = Config::read(config)?;
    let settings = match folder {
        Some(folder) => Some(node::downtime::at(&config, &folder)?),
        None => node::downtime::open(&config)?,
    };
    let Some(settings) = settings else {
        bail!("[downtime] names no folder; give --folder");
    };
    let store = node::open_store(&config).await?;
    let made = node::downtime_pack(&config, &store, &settings).await;
    store.close().await;
    let made = made?;
    println!("{}", made.file.display());
    println!("  {} patients", made.patients);
    for left_out in &made.left_out {
        println!("  {left_out}");
    }
    Ok(())
}

async fn open(
    file: &Path,
    config: &Path,
    passphrase_file: &Path,
    facts_only: bool,
) -> anyhow::Result<()> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).with_context(|| name.clone())?;
    let passphrase = std::fs::read_to_string(passphrase_file)
        .with_context(|| passphrase_file.display().to_string())?;
    let (facts, html) =
        web::carried::sheet::open(&text, passphrase.trim()).with_context(|| name.clone())?;
    if facts_only {
        println!("{}: {}, {}", name, facts.title, facts.organisation);
        println!("  made        {}", fhir::date::instant(facts.made));
        println!("  opens until {}", fhir::date::instant(facts.expires));
        return Ok(());
    }
    // It is opened when everything is off: that nobody can log it must keep nobody from it.
    if let Err(cause) = log(config, &facts).await {
        eprintln!("Not in any log ({cause:#}); write down at /staff/downtime that it was opened.");
    }
    println!("{html}");
    Ok(())
}

/// Writes into the node's log that a pack was opened.
async fn log(config: &Path, facts: &web::carried::seal::Facts) -> anyhow::Result<()> {
    let config = Config::read(config)?;
    let ods = Ods::parse(&config.organisation.ods)?;
    let store = node::open_store(&config).await?;
    let logged = web::downtime::opened(&store, &ods, facts).await;
    store.close().await;
    Ok(logged?)
}
