//! `handover package`: packages of profiles and terminology
//! (<https://hl7.org/fhir/packages.html>).

mod archive;
mod content;

use std::path::{Path, PathBuf};

use access::{Scope, SystemPurpose};
use anyhow::{Context as _, bail};
use store::packages::PackageWrite;
use store::{Change, Effect, Expect, Job, Prepared, Release, Store};

use super::account::open;
use content::{Package, Resource};

/// Adds, lists and removes packages of StructureDefinitions, ValueSets, CodeSystems, ConceptMaps and SearchParameters.
///
/// What a package brings becomes resources of this node, which validation, terminology and search use at once. Stop the
/// node first if its store is a SQLite file.
#[derive(clap::Args)]
pub struct PackageCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Takes in a FHIR package: a .tgz, or a folder of JSON and XML files. A package of the same name is replaced.
    Add {
        /// The package.
        package: PathBuf,
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
        /// Read and check everything, and store nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Lists the packages that are here.
    List {
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
    },
    /// Removes a package: deletes the resources that it alone brought.
    Remove {
        /// The package's name.
        name: String,
        /// The node's settings.
        #[arg(long, default_value = "handover.toml")]
        config: PathBuf,
    },
}

impl PackageCommand {
    pub async fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Add {
                package,
                config,
                dry_run,
            } => add(&package, &config, dry_run).await,
            Command::List { config } => {
                let (store, _) = open(&config).await?;
                let packages = store.packages().await;
                store.close().await;
                for package in packages? {
                    println!(
                        "{} {}: {} resources",
                        package.name, package.version, package.total
                    );
                }
                Ok(())
            }
            Command::Remove { name, config } => {
                let (store, _) = open(&config).await?;
                let removed = remove(&store, &name).await;
                store.close().await;
                println!(
                    "{name} is removed, with {} resources that it alone brought",
                    removed?
                );
                Ok(())
            }
        }
    }
}

async fn add(path: &Path, config: &Path, dry_run: bool) -> anyhow::Result<()> {
    let package = Package::read(path).with_context(|| path.display().to_string())?;
    for left in &package.left_out {
        println!("left out: {left}");
    }
    println!(
        "{} {}: {} resources, {} files left out",
        package.name,
        package.version,
        package.resources.len(),
        package.left_out.len()
    );
    if package.resources.is_empty() {
        bail!("there is nothing in it that this node uses; is it a FHIR R4 package?");
    }
    if dry_run {
        println!("nothing was stored, as asked");
        return Ok(());
    }
    let (store, _) = open(config).await?;
    let put = put(&store, &package).await;
    store.close().await;
    put?;
    println!("{} {} is here", package.name, package.version);
    Ok(())
}

/// Stores a package and its resources, and deletes what an earlier one of its name brought and it does not: all or
/// nothing.
async fn put(store: &Store, package: &Package) -> anyhow::Result<()> {
    let files: Vec<(String, String)> = package
        .resources
        .iter()
        .map(|resource| (resource.ty.clone(), resource.id.clone()))
        .collect();
    let before = store.package_files(&package.name).await?;
    let mut job = Job::default();
    for resource in &package.resources {
        job.changes.push(Change::Put {
            resource: prepared(store, resource)?,
            expect: Expect::Anything,
            release: Release::Keep,
        });
    }
    let gone = before.into_iter().filter(|file| !files.contains(file));
    job.changes.extend(gone.map(deleted));
    job.effects.push(Effect::Package(PackageWrite::Put {
        name: package.name.clone(),
        version: package.version.clone(),
        files,
    }));
    store
        .commit(&Scope::system(SystemPurpose::Import), job)
        .await?;
    Ok(())
}

fn prepared(store: &Store, resource: &Resource) -> anyhow::Result<Prepared> {
    let json = fhir::json::parse(&resource.json, &content::LIMITS)?;
    Ok(Prepared::new(&json, &resource.id, store.organisation())?)
}

fn deleted((ty, id): (String, String)) -> Change {
    Change::Delete {
        ty,
        id,
        expect: Expect::Anything,
    }
}

async fn remove(store: &Store, name: &str) -> anyhow::Result<usize> {
    if !store
        .packages()
        .await?
        .iter()
        .any(|package| package.name == name)
    {
        bail!("there is no package {name} here; `handover package list` shows those that are");
    }
    let files = store.package_files(name).await?;
    let count = files.len();
    let mut job = Job::effect(Effect::Package(PackageWrite::Remove {
        name: name.to_string(),
    }));
    job.changes.extend(files.into_iter().map(deleted));
    store
        .commit(&Scope::system(SystemPurpose::Import), job)
        .await?;
    Ok(count)
}

#[cfg(test)]
mod tests;
