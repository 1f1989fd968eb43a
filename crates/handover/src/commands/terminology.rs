//! `handover terminology`: releases of terminology that the organisation holds a licence for.

mod archive;
mod dmd;
mod icd10;
mod into_store;
mod loinc;
mod snomed;
mod source;
#[cfg(test)]
mod tests;
mod xml_records;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use store::Store;
use store::terminology::SystemRow;

use super::account::open;
use source::Source;

/// Loads, lists and removes releases of SNOMED CT, dm+d, ICD-10 and LOINC from their publishers' own files.
///
/// None is shipped with Handover: fetch them with your organisation's licence (in the UK from TRUD).
#[derive(clap::Args)]
pub struct Terminology {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Loads a release. The one before stays in use until the new one is whole; a load that was broken off is taken
    /// up where it stopped when it is started again.
    Load {
        /// Whose release it is.
        #[arg(long, value_enum)]
        system: System,
        /// Folders or .zip files as published. Several make one release: the International Edition and extensions.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// Reads all of it and says what would be loaded.
        #[arg(long)]
        dry_run: bool,
        /// The release's version, where the files do not say it, or for SNOMED CT the edition's module.
        #[arg(long)]
        version: Option<String>,
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
    },
    /// Lists the code systems that are loaded, and their state.
    List {
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
    },
    /// Removes a release by its number in the list.
    Remove {
        number: i64,
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
    },
}

/// Whose releases can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum System {
    /// SNOMED CT, RF2 snapshot files, with any extensions.
    Snomed,
    /// The NHS dictionary of medicines and devices, XML.
    Dmd,
    /// ICD-10: ClaML XML, or the NHS's text file of codes and titles.
    Icd10,
    /// LOINC, CSV.
    Loinc,
}

/// How long requests may still use the rows of a release that was replaced: longer than any may take.
const LAST_REQUESTS: Duration = Duration::from_secs(30);

impl Terminology {
    pub async fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Load {
                system,
                paths,
                dry_run,
                version,
                config,
            } => {
                let source = Source::open(&paths)?;
                let store = match dry_run {
                    true => None,
                    false => Some(open(&config).await?.0),
                };
                let outcome = load(system, &source, version.as_deref(), store.as_ref()).await;
                if let Some(store) = store {
                    let swept = match &outcome {
                        Ok(_) => sweep(&store).await,
                        Err(_) => Ok(()),
                    };
                    store.close().await;
                    swept?;
                }
                println!("{}", outcome?);
                Ok(())
            }
            Command::List { config } => {
                let (store, _) = open(&config).await?;
                let systems = store.code_systems().await;
                store.close().await;
                for system in systems? {
                    println!("{}", line(&system));
                }
                Ok(())
            }
            Command::Remove { number, config } => {
                let (store, _) = open(&config).await?;
                let removed = remove(&store, number).await;
                store.close().await;
                removed
            }
        }
    }
}

/// Loads a release, or without a store reads it all; the sentence that says so.
pub async fn load(
    system: System,
    source: &Source,
    version: Option<&str>,
    store: Option<&Store>,
) -> anyhow::Result<String> {
    match system {
        System::Snomed => snomed::load(source, version, store).await,
        System::Dmd => into_store::load(dmd::read(source, version)?, store).await,
        System::Icd10 => into_store::load(icd10::read(source, version)?, store).await,
        System::Loinc => into_store::load(loinc::read(source, version)?, store).await,
    }
}

fn line(system: &SystemRow) -> String {
    let version = if system.version.is_empty() {
        "no version"
    } else {
        &system.version
    };
    format!(
        "{:>5}  {:<8}  {:<8}  {:>8} concepts  {}  {version}",
        system.id, system.kind, system.state, system.total, system.url
    )
}

/// Removes what was replaced, once no request can use it any more.
async fn sweep(store: &Store) -> anyhow::Result<()> {
    let gone: Vec<i64> = gone(store).await?;
    if gone.is_empty() {
        return Ok(());
    }
    eprintln!(
        "The new release is in use. The rows of the old one go in {} seconds.",
        LAST_REQUESTS.as_secs()
    );
    tokio::time::sleep(LAST_REQUESTS).await;
    for system in gone {
        store.clean_release(system).await?;
    }
    Ok(())
}

async fn gone(store: &Store) -> anyhow::Result<Vec<i64>> {
    let systems = store.code_systems().await?.into_iter();
    Ok(systems
        .filter(|system| system.state == "gone")
        .map(|system| system.id)
        .collect())
}

async fn remove(store: &Store, number: i64) -> anyhow::Result<()> {
    let systems = store.code_systems().await?;
    let found = systems.iter().find(|system| system.id == number);
    let found = found.with_context(|| {
        format!("there is no code system {number}; `handover terminology list` has their numbers")
    })?;
    if found.kind == "resource" {
        bail!("number {number} comes from a CodeSystem resource; delete that resource");
    }
    store.retire_release(number).await?;
    println!("{} is no longer in use; removing its rows.", found.url);
    store.clean_release(number).await?;
    Ok(())
}
